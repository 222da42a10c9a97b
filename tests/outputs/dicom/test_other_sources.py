"""RTSTRUCT, SR and captures over images that are no plain series: frames of one file, tilted, one slice, gaps."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_sources import LPS, complaints, ct_series, enhanced_ct, oblique, radiograph
from highdicom.sr import srread
from pydicom.uid import UltrasoundMultiFrameImageStorage

from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import read_image
from medseg.io.structures import read_segmentation
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.source import source_of
from medseg.outputs.dicom.writing import writing_of
from medseg.regions import measure_segmentation

AUTHOR = Author("lesions", "ab" * 32, "1.0", "cd" * 32)
LABELS = Labels.from_config({"liver": 1, "lesion": 2})
ALLOWED = (
    "Attribute is not present in standard DICOM IOD",  # of captures, where they lie
    "this is a Standard Extended SOP Class",
    "is only permitted to be empty when actually unknown",  # the side of a part that the source does not name
)


def image_of(kind: str, folder: Path) -> Image:
    if kind == "frames of one file":
        return read_image(enhanced_ct(folder / "e.dcm", oblique()))
    if kind == "tilted":
        affine = np.array([[-0.7, 0, 0, 12], [0, -0.9, 0.5, -30], [0, 0, 2.5, 77], [0, 0, 0, 1]])
        tilted = ct_series(folder / "ct", Geometry((17, 13, 5), affine))
        return read_image(tilted, options=ReadOptions(untilt=True))
    return read_image(ct_series(folder / "ct", oblique((17, 13, 1 if kind == "one slice" else 6))))


def mask_of(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[2:9, 3:9], mask[4:6, 5:7], mask[11:15, 2:11] = 1, 0, 2
    if kind == "gaps":
        mask[:, :, 2:4] = 0
    return mask


@pytest.fixture(scope="module", params=["frames of one file", "tilted", "one slice", "gaps"])
def written(request, tmp_path_factory) -> tuple[Image, Segmentation, Path]:
    folder = tmp_path_factory.mktemp("source")
    image = image_of(request.param, folder)
    segmentation = Segmentation(mask_of(request.param, image.geometry.shape), image.geometry, LABELS)
    writing = writing_of("sr,rtstruct,capture")
    assert writing is not None
    table = measure_segmentation(image, segmentation, case="c")
    writing.of(AUTHOR).write(folder / "out", "c", image, segmentation, table)
    return image, segmentation, folder / "out"


def test_contours_are_the_mask(written):
    image, segmentation, out = written
    back = read_segmentation(out / "rtstruct.dcm", on=image)
    np.testing.assert_array_equal(back.mask, segmentation.mask)


def test_the_report_measures_each_region_at_its_place(written):
    image, segmentation, out = written
    content = srread(out / "sr.dcm").content
    table = measure_segmentation(image, segmentation, case="c")
    groups = content.get_volumetric_roi_measurement_groups()
    assert [group.get_measurements()[0].value for group in groups] == pytest.approx(table.volume_ml.tolist())
    lines = [group.get_measurements()[0] for group in content.get_image_measurement_groups()]
    ends = np.array([line.referenced_coordinates[0].value for line in lines]) * LPS
    places = image.geometry.to_index(ends)
    assert ((places >= -0.51) & (places <= np.array(image.geometry.shape) - 0.49)).all()
    np.testing.assert_allclose(ends[:, 0, 2], table.longest_axial_start_z_mm, atol=1e-3)


def test_pictures_name_the_frames_that_they_were_made_from(written):
    image, segmentation, out = written
    source = source_of(image)
    made = [pydicom.dcmread(path) for path in sorted((out / "capture").iterdir())]
    slices = np.flatnonzero((segmentation.mask > 0).any(axis=(0, 1)))
    assert len(made) == len(slices)
    for one, k in zip(made, slices, strict=True):
        place = np.array(one.ImagePositionPatient, float) * LPS
        np.testing.assert_allclose(image.geometry.to_index(place), (0, 0, k), atol=1e-4)
        named = one.get("SourceImageSequence")
        assert bool(named) == bool(source.frames)
        if named:
            at, frame = source.frames[k]
            assert named[0].ReferencedSOPInstanceUID == source.uids[at]
            assert named[0].get("ReferencedFrameNumber", frame) == frame
            assert ("ReferencedFrameNumber" in named[0]) == source.multiframe


def test_dciodvfy_finds_no_error_in_any(written):
    for path in sorted(written[2].rglob("*.dcm")):
        told = [line for line in complaints(path) if not any(said in line for said in ALLOWED)]
        assert told == [], path.name


def test_a_frame_of_a_cine_loop_is_named_with_its_number(tmp_path):
    path = radiograph(tmp_path / "loop.dcm", np.zeros((20, 48)))
    loop = pydicom.dcmread(path)
    loop.Rows, loop.NumberOfFrames, loop.Modality = 16, 3, "US"
    loop.SOPClassUID = loop.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    loop.save_as(path)
    image = read_image(path, options=ReadOptions(frame=1))
    mask = np.zeros(image.geometry.shape, np.uint8)
    mask[3:8, 4:9] = 1
    segmentation = Segmentation(mask, image.geometry, LABELS)
    writing = writing_of("sr,capture")
    assert writing is not None
    table = measure_segmentation(image, segmentation, case="c")
    writing.of(AUTHOR).write(tmp_path / "out", "c", image, segmentation, table)

    content = srread(tmp_path / "out" / "sr.dcm").content
    (plane,) = content.get_planar_roi_measurement_groups()
    assert plane.referenced_segmentation_frame[1].referenced_frame_numbers == [2]
    line = content.get_image_measurement_groups()[0].get_measurements()[0]
    assert line.referenced_coordinates[0].ContentSequence[0].referenced_frame_numbers == [2]
    picture = pydicom.dcmread(tmp_path / "out" / "capture" / "0001.dcm")
    assert picture.SourceImageSequence[0].ReferencedFrameNumber == 2
    assert complaints(tmp_path / "out" / "sr.dcm") == []
