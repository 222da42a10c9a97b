"""SR: what highdicom and dcmqi read of a report is what the region table says."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_sources import LPS, complaints, ct_series, oblique, radiograph
from highdicom.sr import srread

from medseg.atomic import write_csv
from medseg.errors import InputError, MissingExtraError
from medseg.image import Image, Segmentation
from medseg.io import read_image
from medseg.labels import Labels
from medseg.outputs.dicom.identity import Author, tracking_id
from medseg.outputs.dicom.seg import SegObject, segmentation_object, write_seg
from medseg.outputs.dicom.source import Source, source_of
from medseg.outputs.dicom.sr import write_sr
from medseg.outputs.dicom.writing import writing_of
from medseg.regions import measure_segmentation

AUTHOR = Author("lesions", "ab" * 32, "1.0", "cd" * 32)
LABELS = Labels.from_config(
    {"liver": 1, "left kidney": 2, "lesion": 3, "spleen": 4, "codes": {"lesion": {"type": "lesion", "region": "lung"}}}
)
FIGURES = {"mean": "Mean", "sd": "Standard Deviation", "min": "Minimum", "max": "Maximum", "median": "Median"}


@dataclass(frozen=True)
class Measured:
    """A case measured: all that a report is made of."""

    source: Source
    image: Image
    segmentation: Segmentation
    table: pd.DataFrame
    seg: SegObject

    def report(self, path: Path, table: pd.DataFrame | None = None, author: Author = AUTHOR) -> Path:
        table = self.table if table is None else table
        return write_sr(path, self.source, self.image, self.segmentation, table, author, case="c1", seg=self.seg)


def measured(where: Path, mask: np.ndarray, segments="region", labels: Labels = LABELS) -> Measured:
    image = read_image(where)
    source, segmentation = source_of(image), Segmentation(mask, image.geometry, labels)
    table = measure_segmentation(image, segmentation, case="c1")
    seg = segmentation_object(source, segmentation, AUTHOR, case="c1", regions=table, segments=segments)
    return Measured(source, image, segmentation, table, seg)


@pytest.fixture
def volume(tmp_path) -> Measured:
    grid = oblique()
    rng, mask = np.random.default_rng(0), np.zeros(grid.shape, np.uint8)
    mask[2:6, 2:7, 1:3], mask[12:20, 3:9, 2:5], mask[9:12, 12:18, 3:6], mask[2:4, 12:15, 1] = 1, 2, 3, 3
    return measured(ct_series(tmp_path / "ct", grid, rng.integers(-900, 900, grid.shape)), mask)


@pytest.fixture
def picture(tmp_path) -> Measured:
    mask = np.zeros((40, 30), np.uint8)
    mask[3:9, 4:12], mask[20:25, 5:9], mask[30:33, 20:23] = 1, 3, 3
    pixels = np.random.default_rng(0).integers(0, 1000, mask.shape)
    return measured(radiograph(tmp_path / "dx.dcm", pixels), mask)


def as_csv(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table as users get it."""
    write_csv(path, table)
    return pd.read_csv(path)


def by_name(group) -> dict[tuple[str, str], float]:
    return {
        (one.name.meaning, one.derivation.meaning if one.derivation else ""): one.value
        for one in group.get_measurements()
    }


def test_each_region_s_numbers_are_those_of_the_csv(volume, tmp_path):
    content = srread(volume.report(tmp_path / "sr.dcm")).content
    table = as_csv(volume.table, tmp_path / "regions.csv")
    groups = {group.tracking_identifier: group for group in content.get_volumetric_roi_measurement_groups()}
    lines = {group.tracking_identifier: group for group in content.get_image_measurement_groups()}
    assert len(groups) == len(table) == 4
    for row in table.to_dict("records"):
        name = tracking_id("c1", row["label"], row["region"])
        values = by_name(groups[name])
        assert values["Volume", ""] == pytest.approx(row["volume_ml"], rel=1e-9)
        assert values["Maximum 3D Diameter of a Mesh", ""] == pytest.approx(row["longest_3d_mm"], rel=1e-9)
        for column, said in FIGURES.items():
            assert values["Attenuation Coefficient", said] == pytest.approx(row[f"{column}_hu"], rel=1e-9)
        across = by_name(lines[name])
        assert across["Long axis", ""] == pytest.approx(row["longest_axial_mm"], rel=1e-9)
        assert across["Short axis", ""] == pytest.approx(row["perpendicular_mm"], rel=1e-9)


def test_units_are_in_ucum(volume, tmp_path):
    content = srread(volume.report(tmp_path / "sr.dcm")).content
    groups = [*content.get_volumetric_roi_measurement_groups(), *content.get_image_measurement_groups()]
    units = {(m.name.meaning, m.unit.value, m.unit.scheme_designator) for g in groups for m in g.get_measurements()}
    assert units == {
        ("Volume", "mL", "UCUM"),
        ("Maximum 3D Diameter of a Mesh", "mm", "UCUM"),
        ("Attenuation Coefficient", "[hnsf'U]", "UCUM"),
        ("Long axis", "mm", "UCUM"),
        ("Short axis", "mm", "UCUM"),
    }


def test_diameters_lie_where_the_table_says_in_the_patient_s_space(volume, tmp_path):
    content = srread(volume.report(tmp_path / "sr.dcm")).content
    for row in volume.table.to_dict("records"):
        name = tracking_id("c1", row["label"], row["region"])
        (group,) = [one for one in content.get_image_measurement_groups() if one.tracking_identifier == name]
        for one, line in zip(group.get_measurements(), ("longest_axial", "perpendicular"), strict=True):
            (place,) = one.referenced_coordinates
            assert place.frame_of_reference_uid == volume.source.first.FrameOfReferenceUID
            wanted = [[row[f"{line}_{end}_{axis}_mm"] for axis in "xyz"] for end in ("start", "end")]
            np.testing.assert_allclose(place.value * LPS, wanted, atol=1e-4)
            assert np.linalg.norm(place.value[1] - place.value[0]) == pytest.approx(one.value, abs=1e-4)


def test_regions_are_tracked_and_linked_to_the_segments_that_draw_them(volume, tmp_path):
    seg = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", volume.seg))
    content = srread(volume.report(tmp_path / "sr.dcm")).content
    segments = {item.SegmentNumber: item for item in seg.SegmentSequence}
    for group in content.get_volumetric_roi_measurement_groups():
        reference = group.referenced_segment
        assert reference.referenced_sop_instance_uid == seg.SOPInstanceUID
        segment = segments[reference.referenced_segment_numbers[0]]
        assert (segment.TrackingID, segment.TrackingUID) == (group.tracking_identifier, group.tracking_uid)
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == group.finding_type.value
        assert reference.source_series_for_segmentation.value == volume.source.series


def test_findings_are_coded_with_their_sites_and_sides(volume, tmp_path):
    content = srread(volume.report(tmp_path / "sr.dcm")).content
    told = {}
    for group in content.get_volumetric_roi_measurement_groups():
        (site,) = group.finding_sites
        side = site.laterality.meaning if site.laterality else ""
        told[group.tracking_identifier] = (group.finding_type.meaning, site.value.meaning, side)
    assert told["c1/left kidney/1"] == ("Kidney", "Kidney", "Left")
    assert told["c1/lesion/2"] == ("Lesion", "Lung", "")
    assert told["c1/liver/1"] == ("Liver", "Liver", "")


def test_a_finding_without_a_site_still_has_its_side(tmp_path):
    grid, labels = oblique(), Labels.from_config({"lesion left": 1, "right mass": 2})
    mask = np.zeros(grid.shape, np.uint8)
    mask[2:6, 2:7, 1:3] = 1
    path = measured(ct_series(tmp_path / "ct", grid), mask, labels=labels).report(tmp_path / "sr.dcm")
    content = srread(path).content
    (region,), lines = content.get_volumetric_roi_measurement_groups(), content.get_image_measurement_groups()
    told = [
        {one.name.meaning: one.value.meaning for one in group.get_qualitative_evaluations()} | {"Finding category": ""}
        for group in (region, *lines)
    ]
    left, right = ({"Finding category": "", "Laterality": side} for side in ("Left", "Right"))
    assert told == [left, left, right | {"Presence": "Absent"}]
    assert complaints(path) == []


def test_the_observer_is_the_program_with_its_model_and_hash(volume, tmp_path):
    report = srread(volume.report(tmp_path / "sr.dcm"))
    (observer,) = report.content.get_observer_contexts()
    device = observer.observer_identifying_attributes
    assert (device.name, device.manufacturer_name, device.model_name) == ("medseg 1.0", "medseg", "lesions")
    assert device.serial_number == AUTHOR.model_hash
    assert len(report.get_evidence()) == len(volume.source.datasets) + 1


def test_what_was_not_found_is_said(volume, tmp_path):
    def absent(content):
        return [
            group.tracking_identifier
            for group in content.get_image_measurement_groups()
            for one in group.get_qualitative_evaluations()
            if (one.name.meaning, one.value.meaning) == ("Presence", "Absent")
        ]

    assert absent(srread(volume.report(tmp_path / "sr.dcm")).content) == ["c1/spleen"]
    empty = volume.report(tmp_path / "empty.dcm", table=volume.table[:0])
    assert absent(srread(empty).content) == [f"c1/{name}" for name in LABELS.names]
    assert complaints(empty) == []


def test_a_radiograph_has_planar_regions_and_lines_in_its_pixels(picture, tmp_path):
    content = srread(picture.report(tmp_path / "sr.dcm")).content
    planes = {group.tracking_identifier: group for group in content.get_planar_roi_measurement_groups()}
    lines = {group.tracking_identifier: group for group in content.get_image_measurement_groups()}
    for row in as_csv(picture.table, tmp_path / "regions.csv").to_dict("records"):
        name = tracking_id("c1", row["label"], row["region"])
        values = by_name(planes[name])
        assert values["Area of defined region", ""] == pytest.approx(row["area_mm2"], rel=1e-9)
        assert values["X-Ray Attenuation", "Mean"] == pytest.approx(row["mean_ch0"], rel=1e-9)
        frame = planes[name].referenced_segmentation_frame
        number = frame[0].referenced_frame_numbers[0]
        drawn = picture.seg.frames.places[number - 1][1]
        assert picture.seg.segments[drawn - 1].tracking_id == name
        long, short = lines[name].get_measurements()
        assert (long.value, short.value) == pytest.approx((row["longest_axial_mm"], row["perpendicular_mm"]), rel=1e-9)
        ends = long.referenced_coordinates[0].value
        assert np.linalg.norm(ends[1] - ends[0]) * 0.2 == pytest.approx(long.value, rel=1e-5)
        box = np.array(
            [[row[f"box_start_{axis}"], row[f"box_start_{axis}"] + row[f"box_size_{axis}"]] for axis in "ij"]
        )
        assert ((ends >= box[:, 0]) & (ends <= box[:, 1])).all()
        (image,) = long.referenced_coordinates[0].ContentSequence
        assert image.referenced_sop_instance_uid == picture.source.uids[0]


def test_without_spacing_lengths_are_in_pixels(tmp_path):
    mask = np.zeros((40, 30), np.uint8)
    mask[3:9, 4:12] = 1
    found = measured(radiograph(tmp_path / "dx.dcm", np.zeros(mask.shape), spacing=None), mask)
    content = srread(found.report(tmp_path / "sr.dcm")).content
    (plane,) = content.get_planar_roi_measurement_groups()
    (area, *_rest) = plane.get_measurements()
    assert (area.value, area.unit.value) == (48, "{pixels}")
    assert content.get_image_measurement_groups()[0].get_measurements()[0].unit.value == "{pixels}"


def test_a_segment_for_all_of_a_label_is_what_its_regions_are_linked_to(volume, tmp_path):
    seg = segmentation_object(volume.source, volume.segmentation, AUTHOR, case="c1", regions=volume.table)
    content = srread(replace(volume, seg=seg).report(tmp_path / "sr.dcm")).content
    numbers = [
        group.referenced_segment.referenced_segment_numbers for group in content.get_volumetric_roi_measurement_groups()
    ]
    assert numbers == [[1], [2], [3], [3]]


def test_values_of_a_pet_are_in_suv(volume, tmp_path):
    image = replace(volume.image, modality="PT", unit="SUVbw")
    table = measure_segmentation(image, volume.segmentation, case="c1")
    content = srread(replace(volume, image=image, table=table).report(tmp_path / "sr.dcm")).content
    group = content.get_volumetric_roi_measurement_groups()[0]
    suvs = [one for one in group.get_measurements() if one.name.meaning == "SUVbw"]
    assert {one.unit.value for one in suvs} == {"g/ml{SUVbw}"}
    assert by_name(group)["SUVbw", "Peak Value Within ROI"] == pytest.approx(table.suv_peak[0])
    assert by_name(group)["Total Lesion Glycolysis", ""] == pytest.approx(table.tlg[0])


def test_the_same_run_gives_the_same_bytes_and_any_other_another_object(volume, tmp_path):
    first, again = volume.report(tmp_path / "1.dcm"), volume.report(tmp_path / "2.dcm")
    assert first.read_bytes() == again.read_bytes()
    others = [
        volume.report(tmp_path / "3.dcm", table=volume.table[1:]),
        volume.report(tmp_path / "4.dcm", author=Author("lesions", "ab" * 32, "1.1", "cd" * 32)),
    ]
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in (first, *others)}) == 3


def test_a_table_of_another_mask_is_refused(volume, tmp_path):
    strange = volume.table.assign(label="heart")
    with pytest.raises(InputError, match="has heart, which the mask has not"):
        volume.report(tmp_path / "sr.dcm", table=strange)


@pytest.mark.parametrize("kind", ["volume", "picture"])
def test_dciodvfy_has_nothing_against_it(kind, request, tmp_path):
    assert complaints(request.getfixturevalue(kind).report(tmp_path / "sr.dcm")) == []


def test_dcmqi_reads_the_same_numbers(volume, tmp_path):
    program = shutil.which("tid1500reader", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("dcmqi is not installed (pip install dcmqi)")
    read = tmp_path / "sr.json"
    path = volume.report(tmp_path / "sr.dcm")
    subprocess.run([program, "--inputDICOM", path, "--outputMetadata", read], check=True, capture_output=True)
    groups = {
        one["TrackingIdentifier"]: one
        for one in json.loads(read.read_text())["Measurements"]
        if "ReferencedSegment" in one
    }
    for row in volume.table.to_dict("records"):
        group = groups[tracking_id("c1", row["label"], row["region"])]
        values = {
            (one["quantity"]["CodeMeaning"], one.get("derivationModifier", {}).get("CodeMeaning")): float(one["value"])
            for one in group["measurementItems"]
        }
        assert values["Volume", None] == pytest.approx(row["volume_ml"], rel=1e-9)
        assert values["Attenuation Coefficient", "Mean"] == pytest.approx(row["mean_hu"], rel=1e-9)


def test_without_highdicom_a_report_is_refused_before_anything_is_done(volume, tmp_path, monkeypatch):
    monkeypatch.setattr("medseg.outputs.dicom.sr.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"medseg\[dicom\]"):
        volume.report(tmp_path / "sr.dcm")
    with pytest.raises(MissingExtraError, match="highdicom"):
        writing_of("sr")
    assert not (tmp_path / "sr.dcm").exists()
