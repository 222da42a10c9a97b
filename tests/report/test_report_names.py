"""What a case is called: files read off a field, ids that tell whose they are, texts without them, and outliers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.labels import Labels
from medseg.outputs.report.index_data import case_figures, index_data
from medseg.outputs.report.names import images_of, reveals, without_identity
from medseg.outputs.report.outliers import outliers, robust_z
from medseg.outputs.report.source import ReportCase, Source


def test_files_whose_names_hold_blanks_are_read_off_one_field(tmp_path):
    names = ["a b.nii.gz", "c.nii.gz", "d  e f.nii.gz"]
    for name in names:
        (tmp_path / name).touch()
    assert images_of(" ".join(str(tmp_path / name) for name in names)) == tuple(tmp_path / name for name in names)
    assert images_of("/gone/x y.nii /gone/z.nii") == (Path("/gone/x y.nii"), Path("/gone/z.nii"))
    assert images_of("") == ()


@pytest.mark.parametrize(
    ("case", "patient", "image", "expected"),
    [
        ("hippocampus_003", "hippocampus_003", "hippocampus_003.nii.gz", False),
        ("Doe_John_ct", "DOE^JOHN", "x.nii.gz", True),
        ("study_12_ct", "2", "x.nii.gz", False),
        ("study_12_ct", "12", "x.nii.gz", True),
        ("study/series", "study/series", "study", True),
        ("scan", "scan", "scan.dcm", True),
        ("scan", "scan", "scan.h5:/scan", False),
    ],
)
def test_which_ids_may_tell_whose_a_case_is(case, patient, image, expected):
    assert reveals(case, patient, [Path(image)]) == expected


def test_an_id_that_holds_another_patients_is_hidden_too():
    assert reveals("smith_j_reference", "", [Path("a.nii")], {"smith j"})


@given(st.lists(st.text("abc XYZ_-.0", min_size=1, max_size=8), min_size=1, max_size=4))
def test_no_part_of_a_path_is_left_in_a_text(parts):
    image = Path("/", *(part.replace("/", "_") for part in parts), "Doe.nii.gz")
    text = without_identity(
        f"{image}: is broken ({image}). See {image.name}, or {image}/IM 1: again.", "c", "c", (), [image]
    )
    assert "Doe" not in text
    assert text.startswith("[image]: is broken ([image]")


def test_patients_are_taken_out_of_texts_however_they_are_written():
    text = without_identity("of DOE^JOHN (doe_john), 12 slices of case 12", "c", "c", {"doe john", "lee"}, ())
    assert text == "of [patient] ([patient]), 12 slices of case 12"


def test_robust_z_is_0_in_the_middle_and_of_a_deviate_its_deviation():
    values = np.random.default_rng(0).normal(10, 2, 20_001)
    z = robust_z(values)
    assert np.median(z) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(z, (values - 10) / 2, atol=0.15)
    assert robust_z([3.0] * 5).tolist() == [0.0] * 5
    assert robust_z([1.0] * 9 + [2.0])[-1] > 3.5


def test_the_case_unlike_the_others_is_named():
    def case(number: int, volume: float) -> ReportCase:
        region = {"label": "lesion", "region": 1, "volume_ml": volume, "longest_axial_mm": 10.0 + number / 10}
        return ReportCase(number, f"c{number}", f"c{number}", "", (), "done", regions=(region,))

    cases = tuple(case(n, 500.0 if n == 7 else 5 + n / 10) for n in range(1, 21))
    source = Source(Path("out"), cases, Labels.from_config({"lesion": 1}), {})
    assert [(one.case.id, one.figure) for one in outliers(source, "volume_ml", "longest_axial_mm")] == [("c7", "size")]


def test_areas_are_not_added_to_volumes_nor_pixels_to_millimetres():
    ball = {"label": "lesion", "region": 1, "volume_ml": 4.0, "longest_axial_mm": 20.0}
    flat = {"label": "lesion", "region": 1, "area_px": 90, "longest_axial_px": 14.0}
    cases = tuple(
        ReportCase(n, name, name, "", (), "done", regions=regions)
        for n, (name, regions) in enumerate((("ball", (ball, ball)), ("flat", (flat,)), ("none", ())), start=1)
    )
    told = index_data(Source(Path("out"), cases, Labels.from_config({"lesion": 1}), {}), frozenset())["cases"]
    assert [column["title"] for column in told["columns"]][2:5] == ["regions", "volume (ml)", "longest (mm)"]
    assert [row[2:5] for row in told["rows"]] == [[2, 8, 20], [1, None, None], [0, 0, None]]
    assert [case_figures(case, "volume_ml", "longest_axial_mm", "node").get("size") for case in cases] == [0, None, 0]


def test_the_number_of_a_volume_stays_in_a_reason():
    image = Path("/data/Doe/scan.nii.gz")
    text = f"{image}: holds 2 volumes. Pick one: scan.nii.gz:/0. Not /12, nor zip.zip:/12/Doe."
    said = without_identity(text, "scan", "scan", (), (image,))
    assert said == "[image]: holds 2 volumes. Pick one: [image]:/0. Not [file], nor zip.zip:[file]"
