"""The instances under an image: found for every slice, or none where the pixels are no file's own."""

import shutil
import zipfile

import numpy as np
import pydicom
import pytest
from dicom_sources import ct_series, enhanced_ct, oblique, radiograph
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import read_image, write_image
from medseg.options import ReadOptions
from medseg.outputs.dicom.identity import Author, tracking_id, tracking_uid, uid_of
from medseg.outputs.dicom.source import LPS, source_of
from medseg.resample import respaced

GRID = oblique()


def places(image: Image) -> np.ndarray:
    """What the files say of where the slices are, RAS mm."""
    source = source_of(image)
    return np.array([[float(part) for part in source.position(k)] for k in range(len(source.frames))]) * LPS


def slices_of(geometry: Geometry) -> np.ndarray:
    return geometry.to_world([(0, 0, k) for k in range(geometry.shape[2])])


def test_each_slice_of_a_series_has_its_file(tmp_path):
    image = read_image(ct_series(tmp_path / "ct", GRID))
    source = source_of(image)
    assert source.frames == tuple((k, 1) for k in range(6))
    assert np.allclose(places(image), slices_of(image.geometry), atol=1e-6)
    assert "PixelData" not in source.first
    assert source.series == image.facts["series"]


def test_frames_of_one_file_are_told_by_their_numbers(tmp_path):
    image = read_image(enhanced_ct(tmp_path / "e.dcm", GRID))
    source = source_of(image)
    assert source.multiframe
    assert sorted(source.frames) == [(0, number) for number in range(1, 7)]
    assert np.allclose(places(image), slices_of(image.geometry), atol=1e-6)


def test_a_radiograph_is_its_own_frame(tmp_path):
    source = source_of(read_image(radiograph(tmp_path / "dx.dcm", np.full((31, 43), 500))))
    assert source.frames == ((0, 1),)
    assert not source.multiframe


def test_slices_in_a_zip_and_one_series_of_several(tmp_path):
    for name in "ab":
        ct_series(tmp_path / "study" / name, GRID)
    uid = str(pydicom.dcmread(tmp_path / "study" / "b" / "000.dcm").SeriesInstanceUID)
    assert source_of(read_image(f"{tmp_path / 'study'}:/{uid}")).series == uid
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as packed:
        for path in sorted((tmp_path / "study" / "b").iterdir()):
            packed.write(path, f"ct/{path.name}")
    assert source_of(read_image(tmp_path / "s.zip")).series == uid


def test_an_image_that_was_resampled_has_no_frames_of_its_own(tmp_path):
    affine = GRID.affine.copy()
    affine[:3, 2] += 0.3 * affine[:3, 1]
    tilted = Geometry(GRID.shape, affine)
    image = read_image(ct_series(tmp_path / "ct", tilted), options=ReadOptions(untilt=True))
    source = source_of(image)
    assert source.frames == ()
    assert len(source.uids) == 6
    assert source.position(0) is None


@pytest.mark.parametrize("change", ["nifti", "respaced", "in memory"])
def test_what_is_no_dicom_is_refused_by_name(change, tmp_path):
    image = read_image(ct_series(tmp_path / "ct", GRID))
    if change == "nifti":
        write_image(tmp_path / "ct.nii.gz", image)
        image = read_image(tmp_path / "ct.nii.gz")
    elif change == "respaced":
        image = respaced(image, [1.0])
    else:
        image = Image(image.voxels, image.geometry)
    with pytest.raises(InputError, match="was not read from DICOM"):
        source_of(image)


def test_an_instance_without_a_uid_or_that_is_gone_is_refused(tmp_path):
    image = read_image(ct_series(tmp_path / "ct", GRID, StudyInstanceUID=""))
    with pytest.raises(InputError, match="StudyInstanceUID"):
        source_of(image)
    shutil.rmtree(tmp_path / "ct")
    with pytest.raises(UnreadableFileError, match="does not exist"):
        source_of(image)


@given(st.lists(st.text() | st.integers(), max_size=4), st.lists(st.text() | st.integers(), max_size=4))
def test_uids_follow_from_their_parts_alone(one, other):
    uid = uid_of(*one)
    assert pydicom.uid.UID(uid).is_valid
    assert (uid == uid_of(*other)) == (one == other)


def test_a_region_is_tracked_by_its_ids_in_the_table():
    author, other = Author("net", "ab"), Author("net", "cd")
    assert tracking_id("case 7", "lesion", 2) == "case 7/lesion/2"
    assert tracking_id("case 7", "lesion") == "case 7/lesion"
    uids = [
        tracking_uid("1.2", author, "case 7", "lesion", 2),
        tracking_uid("1.2", author, "case 7", "lesion", 3),
        tracking_uid("1.2", author, "case 7", "lesion"),
        tracking_uid("1.2", other, "case 7", "lesion", 2),
        tracking_uid("1.3", author, "case 7", "lesion", 2),
    ]
    assert len(set(uids)) == len(uids)
