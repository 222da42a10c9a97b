import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from medseg.errors import GeometryError, InputError, MedsegError, UnreadableFileError
from medseg.io import read_geometry, read_image, read_mask
from medseg.options import ReadOptions

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
PICTURE = VOLUME[0]
AFFINE = np.array([[-1, 0, 0, 12], [0, 0, 1.5, -20], [0, -2, 0, 30], [0, 0, 0, 1.0]])


def test_a_volume_is_mapped_as_it_lies_and_its_spacing_unknown(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VOLUME)
    image = read_image(tmp_path / "a.npy")
    np.testing.assert_array_equal(image.voxels[0], VOLUME)
    assert isinstance(image.voxels.base, np.memmap)
    assert not image.voxels.flags.writeable
    assert not image.geometry.spacing_known
    assert read_geometry(tmp_path / "a.npy").shape == VOLUME.shape


def test_rows_and_columns_become_x_and_y(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PICTURE)
    assert read_image(tmp_path / "a.npy").geometry.shape == (6, 5)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy").voxels[0], PICTURE.T)


@pytest.mark.parametrize("array", [np.asfortranarray(VOLUME), VOLUME.astype(">f4"), VOLUME > 60, VOLUME.astype("f2")])
def test_every_layout_and_type_keeps_its_values(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", array)
    for name in ("a.npy", "a.npz"):
        voxels = read_image(tmp_path / name).voxels[0]
        np.testing.assert_array_equal(voxels, array)
        assert voxels.dtype.isnative
        assert voxels.dtype.kind != "b"


def test_an_archive_states_its_grid_by_affine_or_spacing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=VOLUME, affine=AFFINE)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npz").geometry.affine, AFFINE)
    np.savez(tmp_path / "b.npz", image=VOLUME, spacing=[1, 2, 3.5])
    assert read_geometry(tmp_path / "b.npz").spacing_mm == (1, 2, 3.5)
    np.savez(tmp_path / "c.npz", image=PICTURE, spacing_mm=0.2)
    assert read_geometry(tmp_path / "c.npz").spacing_mm == (0.2, 0.2)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"affine": np.eye(3)}, "affine of shape"),
        ({"affine": np.zeros((4, 4))}, "last row"),
        ({"affine": np.diag([1, 0, 1, 1.0])}, "singular"),
        ({"affine": np.diag([1, np.nan, 1, 1.0])}, "singular or non-finite"),
        ({"spacing": [1, 2]}, r"spacing of \[1.0, 2.0\], expected 3 numbers"),
        ({"spacing": [1, -2, 1]}, "above 0"),
        ({"spacing": [1, 2, 9], "affine": AFFINE}, "Remove the wrong one"),
        ({"spacing": np.ones(1000)}, "a few numbers"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused_by_name(tmp_path: Path, facts: dict[str, object], found: str) -> None:
    np.savez(tmp_path / "a.npz", image=VOLUME, **facts)
    with pytest.raises(MedsegError, match=rf"a\.npz:.*{found}"):
        read_image(tmp_path / "a.npz")


def test_an_oblong_spacing_of_rows_and_columns_is_refused_for_it_does_not_say_which_is_which(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=PICTURE, spacing=[0.1, 0.2])
    with pytest.raises(GeometryError, match="another order than x, y"):
        read_image(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", image=PICTURE, affine=np.diag([0.1, 0.2, 1]))
    assert read_geometry(tmp_path / "a.npz").spacing_mm == (0.1, 0.2)


def test_of_several_arrays_one_must_be_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=VOLUME, label=(VOLUME > 60).astype(np.uint8), age=np.array(70), affine=AFFINE)
    with pytest.raises(InputError, match=r"holds 2 images \(image 4×5×6 int16; label 4×5×6 uint8\).*a\.npz:/image"):
        read_image(tmp_path / "a.npz")
    image = read_image(f"{tmp_path / 'a.npz'}:/image")
    mask, _grid = read_mask(f"{tmp_path / 'a.npz'}:/label", on=image.geometry)
    np.testing.assert_array_equal(mask, VOLUME > 60)
    with pytest.raises(InputError, match=r"there is no array 'absent'.*image, label, age, affine"):
        read_image(f"{tmp_path / 'a.npz'}:/absent")
    np.save(tmp_path / "a.npy", VOLUME)
    with pytest.raises(InputError, match="file of one image"):
        read_image(f"{tmp_path / 'a.npy'}:/0")
    with pytest.raises(InputError, match="no volume 3"):
        read_image(tmp_path / "a.npy", options=ReadOptions(frame=3))


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("unpickled"),)


@pytest.mark.parametrize(
    "array", [np.array([Trap()], object), np.array(["a"]), np.zeros(3, "i2,f4"), np.zeros(3, "c8")]
)
def test_objects_text_records_and_complex_numbers_are_refused_unread(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", image=array)
    with pytest.raises(UnreadableFileError, match=r"a\.npy: holds objects, text or records"):
        read_image(tmp_path / "a.npy")
    with pytest.raises(MedsegError, match=r"a\.npz"):
        read_image(f"{tmp_path / 'a.npz'}:/image")


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (0, 3, 4), ()])
def test_other_numbers_of_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(UnreadableFileError, match=r"a\.npy: has the shape"):
        read_image(tmp_path / "a.npy")


def header(shape: str) -> bytes:
    text = f"{{'descr': '<i2', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("shape", ["(90000, 90000, 90000)", "(4, 5, 7)", f"({'9' * 60}, 2)"])
def test_a_shape_beyond_the_file_is_refused_before_anything_is_allocated(tmp_path: Path, shape: str) -> None:
    content = header(shape) + VOLUME.tobytes()
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", content)
    with pytest.raises(UnreadableFileError, match=r"a\.npy: is too short for its shape"):
        read_image(tmp_path / "a.npy")
    with pytest.raises(UnreadableFileError, match=r"a\.npz:/image: is too short for its shape"):
        read_image(f"{tmp_path / 'a.npz'}:/image")


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    content = header("(20000, 20000, 2)") + bytes(1000)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", content)
    claimed = (16 * 10**8 + 1000).to_bytes(4, "little")
    stored = (tmp_path / "a.npz").read_bytes().replace(len(content).to_bytes(4, "little"), claimed)
    (tmp_path / "a.npz").write_bytes(stored)
    with pytest.raises(UnreadableFileError, match=r"a\.npz:/image: is too short"):
        read_image(f"{tmp_path / 'a.npz'}:/image")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_and_misnamed_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, image=VOLUME)
    for content in (b"", b"words" * 50, packed.getvalue()[:-30], packed.getvalue()[:200]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)
    spoilt = bytearray(packed.getvalue())
    spoilt[len(spoilt) // 2] ^= 0xFF
    (tmp_path / "spoilt.npz").write_bytes(spoilt)
    with pytest.raises(MedsegError, match=r"spoilt\.npz"):
        read_image(tmp_path / "spoilt.npz")
