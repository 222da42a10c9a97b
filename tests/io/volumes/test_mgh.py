import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medseg.errors import GeometryError, InputError, MedsegError, UnreadableFileError
from medseg.io import read_geometry, read_image

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
AFFINE = np.array([[-1, 0, 0, 12], [0, 0, 1.5, -20], [0, -2, 0, 30], [0, 0, 0, 1.0]])


def saved(path: Path, voxels: np.ndarray = VOXELS) -> Path:
    nibabel.save(nibabel.MGHImage(voxels, AFFINE), path)
    return path


@pytest.mark.parametrize("name", ["a.mgh", "a.mgz"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
def test_values_type_and_affine_are_nibabels(tmp_path: Path, name: str, dtype: str) -> None:
    image, content = read_image(saved(tmp_path / name, VOXELS.astype(dtype))), (tmp_path / name).read_bytes()
    peer = nibabel.MGHImage.from_bytes(gzip.decompress(content) if name.endswith("z") else content)
    assert image.voxels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.voxels[0], np.asarray(peer.dataobj))
    np.testing.assert_array_equal(image.geometry.affine, peer.affine)
    assert read_geometry(tmp_path / name).same_as(image.geometry, 0)
    assert image.notes == ()


def test_one_frame_of_several_is_picked(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.mgz", np.stack([VOXELS, VOXELS + 5], axis=-1))
    np.testing.assert_array_equal(read_image(f"{path}:/1").voxels[0], VOXELS + 5)
    with pytest.raises(GeometryError, match=r"t\.mgz: holds 2 volumes"):
        read_image(path)
    with pytest.raises(InputError, match="no volume 2"):
        read_geometry(f"{path}:/2")


def test_without_the_flag_for_orientation_the_spacing_is_unknown(tmp_path: Path) -> None:
    content = bytearray(saved(tmp_path / "a.mgh").read_bytes())
    content[28:30] = bytes(2)
    (tmp_path / "a.mgh").write_bytes(content)
    image = read_image(tmp_path / "a.mgh")
    assert not image.geometry.spacing_known
    assert "no orientation" in image.notes[0]


@pytest.mark.parametrize("kept", [0, 50, 200, -400])
def test_a_cut_file_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    path = saved(tmp_path / "cut.mgh")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableFileError, match=r"cut\.mgh"):
        read_image(path)


@pytest.mark.parametrize(
    ("at", "field"), [(4, b"\x7f\xff\xff\xff"), (16, bytes(4)), (20, b"\0\0\0\x63"), (0, b"\0\0\0\2")]
)
def test_sizes_frames_types_and_versions_that_cannot_be_are_refused(
    tmp_path: Path, at: int, field: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(saved(tmp_path / "odd.mgh").read_bytes())
    content[at : at + 4] = field
    (tmp_path / "odd.mgh").write_bytes(content)
    with pytest.raises(MedsegError, match=r"odd\.mgh"):
        read_image(tmp_path / "odd.mgh")
    assert capfd.readouterr() == ("", "")


def test_the_real_file_equals_nibabel(test_data: Path) -> None:
    path = test_data / "awkward" / "nibabel" / "test.mgz"
    peer = nibabel.load(path)
    for frame in range(2):
        image = read_image(f"{path}:/{frame}")
        np.testing.assert_array_equal(image.voxels[0], np.asarray(peer.dataobj)[..., frame])
        np.testing.assert_array_equal(image.geometry.affine, peer.affine)
