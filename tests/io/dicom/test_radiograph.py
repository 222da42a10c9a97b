from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from medseg.io.dicom.values.radiograph import facts, radiograph_grid

IMAGER = "ImagerPixelSpacing"
CORRECTED = "ImagerPixelSpacing corrected for magnification"
MAGNIFICATION = "EstimatedRadiographicMagnificationFactor"
SCANNED = "NominalScannedPixelSpacing"
TYPE = "PixelSpacingCalibrationType"


def header(**fields: Any) -> Dataset:
    made = Dataset()
    for keyword, value in {"Modality": "DX", "Rows": 30, "Columns": 40, **fields}.items():
        setattr(made, keyword, value)
    return made


def code(value: str, meaning: str, **fields: Any) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = value, meaning
    for keyword, content in fields.items():
        setattr(item, keyword, content)
    return item


@pytest.mark.parametrize(
    ("fields", "spacing", "source", "noted"),
    [
        # Calibrated: it differs from the detector's and holds in the patient, whatever the magnification.
        (
            {"PixelSpacing": [0.16, 0.08], IMAGER: [0.2, 0.1], TYPE: "GEOMETRY", MAGNIFICATION: 1.3},
            (0.08, 0.16), "PixelSpacing", "",
        ),
        ({"PixelSpacing": [0.2, 0.1], IMAGER: [0.2, 0.1], TYPE: "FIDUCIAL"}, (0.1, 0.2), "PixelSpacing", ""),
        ({"PixelSpacing": [0.16, 0.08], IMAGER: [0.2, 0.1]}, (0.08, 0.16), "PixelSpacing", "taken as calibrated"),
        ({"PixelSpacing": [0.4, 0.2], IMAGER: [0.2, 0.1]}, (0.2, 0.4), "PixelSpacing", "may be binned"),
        # Not calibrated: equal to the detector's, or without PixelSpacing.
        ({"PixelSpacing": [0.2, 0.1], IMAGER: [0.2, 0.1]}, (0.1, 0.2), IMAGER, "plane of the detector"),
        ({"PixelSpacing": [0.2, 0.1], IMAGER: [0.20001, 0.1]}, (0.1, 0.20001), IMAGER, "plane of the detector"),
        ({"PixelSpacing": [0.2, 0.1], IMAGER: [0.2, 0.1], MAGNIFICATION: 1.25}, (0.08, 0.16), CORRECTED, ""),
        ({IMAGER: [0.2, 0.1], MAGNIFICATION: 1.25}, (0.08, 0.16), CORRECTED, ""),
        ({IMAGER: [0.2, 0.1]}, (0.1, 0.2), IMAGER, "plane of the detector"),
        ({IMAGER: [0.2, 0.1], MAGNIFICATION: 0.8}, (0.1, 0.2), IMAGER, "0.8 is impossible"),
        ({IMAGER: [0.2, 0.1], MAGNIFICATION: 0}, (0.1, 0.2), IMAGER, "0 is impossible"),
        # One tag alone.
        ({"PixelSpacing": [0.2, 0.1]}, (0.1, 0.2), "PixelSpacing", "may hold in the plane of the detector"),
        ({"PixelSpacing": [0.2, 0.1], "Modality": "CR"}, (0.1, 0.2), "PixelSpacing", "may hold in the plane"),
        ({"PixelSpacing": [0.2, 0.1], "Modality": "OT"}, (0.1, 0.2), "PixelSpacing", ""),
        ({SCANNED: [0.05, 0.05], "Modality": "RG"}, (0.05, 0.05), SCANNED, "plane of the detector"),
        ({SCANNED: [0.05, 0.05], "PixelSpacing": [0.04, 0.04], TYPE: "FIDUCIAL"}, (0.04, 0.04), "PixelSpacing", ""),
        # None.
        ({}, None, "unknown", ""),
        ({"PixelSpacing": [0.0, 0.0]}, None, "unknown", "is no spacing"),
        ({"PixelSpacing": [0.0, 0.0], IMAGER: [0.2, 0.1]}, (0.1, 0.2), IMAGER, "is no spacing"),
        ({"PixelAspectRatio": [4, 3]}, None, "unknown", "not square (PixelAspectRatio 4:3)"),
        ({"PixelAspectRatio": [1, 1]}, None, "unknown", ""),
    ],
)  # fmt: skip
def test_the_spacing_is_that_of_the_standards_rule(
    fields: dict[str, Any], spacing: tuple[float, ...] | None, source: str, noted: str
) -> None:
    grid, notes = radiograph_grid(header(**fields))
    assert (grid.shape, grid.spacing_source) == ((40, 30), source)
    if spacing:
        np.testing.assert_allclose(grid.spacing_mm, spacing, rtol=1e-12)
    assert noted in "; ".join(notes)
    assert bool(notes) == bool(noted)


def test_what_a_mammogram_says_of_itself() -> None:
    said, notes = facts(
        header(
            ImageLaterality="L",
            ViewPosition="MLO",
            BodyPartExamined="BREAST",
            PatientOrientation=["A", "FR"],
            PresentationIntentType="FOR PRESENTATION",
            BurnedInAnnotation="NO",
            BreastImplantPresent="NO",
            LossyImageCompression="01",
        )
    )
    assert said == {
        "laterality": "L",
        "view": "MLO",
        "body_part": "BREAST",
        "patient_orientation": "A\\FR",
        "presentation_intent": "FOR PRESENTATION",
        "burned_in_annotation": "NO",
        "breast_implant": "NO",
        "lossy_compression": "YES",
    }
    assert notes == ()
    assert facts(header()) == ({}, ())


def test_side_view_and_region_are_taken_from_codes_too() -> None:
    side = code("24028007", "Right")
    region = code("71854001", "Breast", AnatomicRegionModifierSequence=[side])
    view = code("399162004", "cranio-caudal")
    said, _notes = facts(header(AnatomicRegionSequence=[region], ViewCodeSequence=[view]))
    assert said == {"laterality": "R", "view": "cranio-caudal", "body_part": "Breast"}
    # Of which side the view is taken says nothing of the side of the organ.
    assert "laterality" not in facts(header(ViewCodeSequence=[code("399173006", "left lateral")]))[0]


def test_burnt_in_text_raw_values_and_contradicting_sides_are_noted() -> None:
    said, notes = facts(
        header(ImageLaterality="L", Laterality="R", BurnedInAnnotation="YES", PresentationIntentType="FOR PROCESSING")
    )
    assert said["laterality"] == "L"
    assert [note.split()[0] for note in notes] == ["sides", "BurnedInAnnotation", "PresentationIntentType"]


@pytest.mark.parametrize(
    ("name", "spacing", "source", "said"),
    [
        ("dicom_transfer_syntaxes/RG1_J2KI.dcm", None, "unknown", {"view": "PA"}),
        ("dicom_transfer_syntaxes/RG3_J2KR.dcm", None, "unknown", {"view": "AP", "laterality": "R"}),
        ("dicom_transfer_syntaxes/MG1_J2KI.dcm", None, "unknown", {"view": "MLO", "laterality": "L"}),
        ("dicom_cxr/Fake_MONOHR1.dcm", (0.168, 0.168), "PixelSpacing", {"view": "PA", "body_part": "CHEST"}),
        ("dicom_pydicom/color-px.dcm", None, "unknown", {}),
    ],
)
def test_real_headers_say_what_they_say(
    test_data: Path, name: str, spacing: tuple[float, ...] | None, source: str, said: dict[str, str]
) -> None:
    made = pydicom.dcmread(test_data / name, stop_before_pixels=True)
    grid, _notes = radiograph_grid(made)
    assert grid.spacing_source == source
    assert spacing is None or grid.spacing_mm == spacing
    assert said.items() <= facts(made)[0].items()
