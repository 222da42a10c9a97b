"""Secondary captures: pictures of the slices on which something is drawn, at their places."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_sources import complaints, ct_series, oblique, radiograph

from medseg.image import Segmentation
from medseg.io import read_image
from medseg.labels import Labels
from medseg.outputs.dicom.capture import write_capture
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.source import Source, source_of

AUTHOR = Author("lesions", "ab" * 32, "1.0", "cd" * 32)
LABELS = Labels.from_config({"liver": 1, "lesion": 2, "ignore": 255})
EXTENDED = "Warning - Attribute is not present in standard DICOM IOD"  # what says where a picture lies
GRID = oblique((24, 20, 6))


def mask_of(shape) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[3:12, 4:12, 1:3], mask[15:20, 5:9, 4] = 1, 2
    mask[0, 0] = 255
    return mask


def captured(folder: Path, mask: np.ndarray, author: Author = AUTHOR, **fields) -> tuple[Source, list[pydicom.Dataset]]:
    """A volume of rising values with a window from 0 to 100, and its captures."""
    if not (folder / "ct").exists():
        values = np.broadcast_to(np.arange(24)[:, None, None] * 5.0, GRID.shape)
        ct_series(folder / "ct", GRID, values, **{"WindowCenter": 50, "WindowWidth": 100} | fields)
    image = read_image(folder / "ct")
    source = source_of(image)
    paths = write_capture(folder / "capture", source, image, Segmentation(mask, image.geometry, LABELS), author)
    return source, [pydicom.dcmread(path) for path in paths]


def test_slices_with_something_on_them_are_pictures_at_their_places(tmp_path):
    source, made = captured(tmp_path, mask_of(GRID.shape))
    assert [one.InstanceNumber for one in made] == [1, 2, 3]
    assert len({one.SeriesInstanceUID for one in made}) == 1
    assert len({one.SOPInstanceUID for one in made}) == 3
    for one, k in zip(made, (1, 2, 4), strict=True):
        slice_ = source.datasets[k]
        assert one.SourceImageSequence[0].ReferencedSOPInstanceUID == slice_.SOPInstanceUID
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            np.testing.assert_allclose(np.array(one[name].value, float), np.array(slice_[name].value, float), atol=1e-6)
        assert one.FrameOfReferenceUID == slice_.FrameOfReferenceUID
        assert (one.PatientID, one.StudyInstanceUID) == (slice_.PatientID, slice_.StudyInstanceUID)


def test_grey_is_the_image_in_its_window_and_colour_the_mask(tmp_path):
    mask = mask_of(GRID.shape)
    _source, made = captured(tmp_path, mask)
    for one, k in zip(made, (1, 2, 4), strict=True):
        rgb = one.pixel_array.transpose(1, 0, 2).astype(int)
        drawn = (mask[:, :, k] > 0) & (mask[:, :, k] < 255)
        wanted = np.broadcast_to((np.arange(24) * 5 * 2.55).clip(0, 255).astype(int)[:, None, None], rgb.shape)
        assert np.abs(rgb - wanted)[~drawn].max() <= 1
        assert (np.ptp(rgb[drawn], axis=1) > 0).all()
    colours = {label.colour for label in LABELS.labels}
    assert tuple(made[0].pixel_array[4, 3]) in colours  # a corner of the liver is its outline


def test_an_empty_mask_shows_the_middle_and_says_so(tmp_path):
    source, made = captured(tmp_path, np.zeros(GRID.shape, np.uint8))
    assert [one.SourceImageSequence[0].ReferencedSOPInstanceUID for one in made] == [source.uids[3]]
    assert made[0].ImageComments == "Nothing was found"


def test_pictures_of_an_earlier_mask_do_not_stay(tmp_path):
    image = read_image(ct_series(tmp_path / "ct", GRID))
    mask = np.ones(GRID.shape, np.uint8)
    for slices in (6, 2):
        mask[:, :, slices:] = 0
        found = Segmentation(mask, image.geometry, LABELS)
        write_capture(tmp_path / "capture", source_of(image), image, found, AUTHOR)
    assert sorted(path.name for path in (tmp_path / "capture").iterdir()) == ["0001.dcm", "0002.dcm"]


def test_a_radiograph_is_one_picture_with_its_spacing_and_orientation(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 1000, (41, 31))
    image = read_image(radiograph(tmp_path / "dx.dcm", pixels))
    mask = np.zeros((41, 31), np.uint8)
    mask[5:12, 4:20] = 2
    segmentation = Segmentation(mask, image.geometry, LABELS)
    (path,) = write_capture(tmp_path / "capture", source_of(image), image, segmentation, AUTHOR)
    made = pydicom.dcmread(path)
    assert made.pixel_array.shape == (31, 41, 3)
    assert (list(made.PixelSpacing), list(made.PatientOrientation)) == ([0.2, 0.2], ["L", "F"])
    assert "ImagePositionPatient" not in made
    assert made.BurnedInAnnotation == "NO"
    assert complaints(path) == []


def test_orientation_is_said_in_letters(tmp_path):
    letters = {}
    for name, angles in (("axial", (0, 0, 0)), ("turned", (0, 0, 90))):
        grid = oblique((8, 7, 2), angles=angles)
        image = read_image(ct_series(tmp_path / name, grid))
        segmentation = Segmentation(np.ones(grid.shape, np.uint8), image.geometry, LABELS)
        path, *_rest = write_capture(tmp_path / f"{name} drawn", source_of(image), image, segmentation, AUTHOR)
        letters[name] = list(pydicom.dcmread(path).PatientOrientation)
    assert letters == {"axial": ["L", "P"], "turned": ["P", "R"]}


def test_the_same_run_gives_the_same_bytes_and_another_model_another_series(tmp_path):
    mask = mask_of(GRID.shape)
    _source, made = captured(tmp_path, mask)
    before = [path.read_bytes() for path in sorted((tmp_path / "capture").iterdir())]
    captured(tmp_path, mask)
    assert [path.read_bytes() for path in sorted((tmp_path / "capture").iterdir())] == before
    _source, other = captured(tmp_path, mask, Author("lesions", "ff" * 32, "1.0", "cd" * 32))
    assert not {one.SOPInstanceUID for one in made} & {one.SOPInstanceUID for one in other}


@pytest.mark.parametrize("fields", [{}, {"BodyPartExamined": "KNEE", "Laterality": "L"}, {"WindowCenter": [50, 40]}])
def test_dciodvfy_finds_no_error(tmp_path, fields):
    _source, made = captured(tmp_path, mask_of(GRID.shape), **fields)
    assert len(made) == 3
    told = complaints(tmp_path / "capture" / "0001.dcm")
    assert [line for line in told if not line.startswith((EXTENDED, "Warning - Dicom dataset contains"))] == []
