import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medseg.errors import GeometryError, UnreadableFileError
from medseg.io import read_geometry, read_image

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
AFFINE = np.array([[-0.8, 0.1, 0, 10], [0.08, 0.9, 0, -20], [0, 0, 3.3, 30], [0, 0, 0, 1]])


def saved(path: Path, voxels: np.ndarray = VOXELS, affine: np.ndarray = AFFINE, **fields: object) -> Path:
    header = nibabel.Nifti1Image(voxels, affine).header
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + bytes(4) + voxels.tobytes(order="F")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_values_type_and_affine_are_nibabels(tmp_path: Path, name: str, dtype: str) -> None:
    path = saved(tmp_path / name, VOXELS.astype(dtype))
    image = read_image(path)
    peer = nibabel.load(path)
    assert image.voxels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.voxels[0], np.asarray(peer.dataobj))
    np.testing.assert_array_equal(image.geometry.affine, peer.affine)
    assert read_geometry(path).same_as(image.geometry, 0)


def test_big_endian_and_nifti_2_files_are_read(tmp_path: Path) -> None:
    big = nibabel.Nifti1Image(VOXELS, AFFINE, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(big, tmp_path / "big.nii.gz")
    nibabel.save(nibabel.Nifti2Image(VOXELS, AFFINE), tmp_path / "two.nii")
    for name in ("big.nii.gz", "two.nii"):
        image = read_image(tmp_path / name)
        assert image.voxels.dtype.isnative
        np.testing.assert_array_equal(image.voxels[0], VOXELS)


def test_scaled_values_become_float32(tmp_path: Path) -> None:
    path = saved(tmp_path / "scaled.nii", scl_slope=0.5, scl_inter=-3)
    found = read_image(path)
    assert found.voxels.dtype == np.float32
    np.testing.assert_array_equal(found.voxels[0], VOXELS * 0.5 - 3)


def test_a_2d_file_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "flat.nii", VOXELS[:, :, 0])).voxels.shape == (1, 4, 5, 1)


def test_a_trailing_axis_of_length_one_is_dropped_and_a_real_fourth_axis_refused(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "one.nii", VOXELS[..., None])).geometry.shape == (4, 5, 6)
    with pytest.raises(GeometryError, match="holds 2 volumes"):
        read_image(saved(tmp_path / "two.nii", np.stack([VOXELS, VOXELS], axis=-1)))


def test_doubtful_orientations_are_noted(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    moved = np.diag([2.0, 2, 2, 1])
    image.set_qform(moved, code=1)
    image.set_sform(moved + np.eye(4, k=3) * 10, code=2)
    nibabel.save(image, tmp_path / "conflict.nii")
    assert "differ by up to 10 mm" in read_image(tmp_path / "conflict.nii").notes[0]
    none = read_image(saved(tmp_path / "none.nii", sform_code=0, qform_code=0))
    assert "neither sform nor qform" in none.notes[0]


def test_metres_become_millimetres_with_a_note(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "metres.nii", affine=np.diag([0.001, 0.002, 0.003, 1.0]), xyzt_units=1))
    np.testing.assert_allclose(image.geometry.spacing_mm, [1, 2, 3], rtol=1e-6)
    assert "meters" in image.notes[0]


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 0.0])
def test_a_singular_or_non_finite_affine_is_refused_by_name(tmp_path: Path, spoilt: float) -> None:
    path = saved(tmp_path / "spoilt.nii", srow_z=[0, 0, spoilt, 0], sform_code=1)
    with pytest.raises(GeometryError, match=r"spoilt\.nii"):
        read_image(path)


def test_voxels_that_are_not_finite_are_counted_in_a_note(tmp_path: Path) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[0, 0, :3] = np.nan, np.inf, -np.inf
    assert read_image(saved(tmp_path / "holes.nii.gz", voxels)).notes == ("3 voxels are not finite",)


@pytest.mark.parametrize("kept", [0, 5, 40, 300, 380, -4, -1])
def test_a_truncated_gzip_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    rng = np.random.default_rng(0)
    path = saved(tmp_path / "cut.nii.gz", rng.integers(0, 4000, (9, 9, 9)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableFileError, match=r"cut\.nii\.gz"):
        read_image(path)


def test_a_flipped_byte_inside_a_gzip_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "rotten.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"rotten\.nii\.gz"):
        read_image(path)


def test_files_that_are_not_what_they_are_named_are_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.nii.gz").write_bytes(b"not gzip at all" * 100)
    (tmp_path / "text.nii").write_bytes(b"just words " * 100)
    (tmp_path / "text.nii.gz").write_bytes(gzip.compress(b"just words " * 100))
    saved(tmp_path / "whole.nii")
    (tmp_path / "short.nii").write_bytes((tmp_path / "whole.nii").read_bytes()[:-1])
    for name in ("plain.nii.gz", "text.nii", "text.nii.gz", "short.nii", "absent.nii"):
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)


def test_a_header_that_claims_more_than_the_file_can_hold_allocates_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "huge.nii")
    content = bytearray(path.read_bytes())
    content[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="too short"):
        read_image(path)


def test_awkward_real_files_are_read_or_refused_but_never_raise_anything_else(test_data: Path) -> None:
    folder = test_data / "awkward" / "derived_nifti"
    assert read_image(folder / "singleton_4d_image.nii.gz").geometry.ndim == 3
    assert "4 voxels are not finite" in read_image(folder / "nan_inf_voxels_image.nii.gz").notes
    assert "12.85 mm" in read_image(folder / "qform_sform_conflict_image.nii.gz").notes[0]
    with pytest.raises(UnreadableFileError, match="truncated"):
        read_image(folder / "truncated.nii.gz")
