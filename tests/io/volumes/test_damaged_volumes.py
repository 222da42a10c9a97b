"""Whatever the bytes of a file are, it is read or refused: a short seeded run over every volume format."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest
from itk_pictures import saved

from medseg.errors import MedsegError
from medseg.io import read_geometry, read_image

VOXELS = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5)
AFFINE = np.diag([-1, 1.5, 2, 1.0])
FIELDS = [
    bytes(4),
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\xc0\x7f",
    b"9",
    b"-1",
    b"99999999999",
    b"nan",
]
RUNS = 150


def _hdf5(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("image", data=VOXELS, chunks=(3, 3, 3), compression="gzip")
        stored.attrs.update({"affine": AFFINE, "axes": "xyz"})


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.nii": lambda path: nibabel.save(nibabel.Nifti1Image(VOXELS, AFFINE), path),
    "b.nii": lambda path: nibabel.save(nibabel.Nifti2Image(VOXELS, AFFINE), path),
    "c.nii.gz": lambda path: nibabel.save(nibabel.Nifti1Image(VOXELS, AFFINE), path),
    "d.hdr": lambda path: nibabel.save(nibabel.Nifti1Pair(VOXELS, AFFINE), path),
    "e.hdr": lambda path: nibabel.save(nibabel.Spm2AnalyzeImage(VOXELS, AFFINE), path),
    "f.mgh": lambda path: nibabel.save(nibabel.MGHImage(VOXELS, AFFINE), path),
    "g.mgz": lambda path: nibabel.save(nibabel.MGHImage(VOXELS, AFFINE), path),
    "h.nrrd": saved,
    "i.nrrd": lambda path: saved(path, packed=True),
    "j.mha": saved,
    "k.mha": lambda path: saved(path, packed=True),
    "l.mhd": saved,
    "m.npy": lambda path: np.save(path, VOXELS),
    "n.npz": lambda path: np.savez_compressed(path, image=VOXELS, affine=AFFINE),
    "o.h5": _hdf5,
}


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, fields overwritten, ends cut off, pieces repeated."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(min(len(changed), rng.choice([64, 400, len(changed)])) or 1)
        what = rng.random()
        if what < 0.5:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif what < 0.75:
            field = rng.choice(FIELDS)
            changed[at : at + len(field)] = field
        elif what < 0.85:
            del changed[at:]
        else:
            changed[at:at] = changed[: rng.randrange(20)]
    return bytes(changed)


@pytest.mark.parametrize("name", WRITERS)
def test_spoilt_bytes_are_read_or_refused_in_silence(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    content, rng = path.read_bytes(), random.Random(name)
    for _ in range(RUNS):
        path.write_bytes(spoilt(content, rng))
        for read in (read_image, read_geometry):
            with suppress(MedsegError):
                read(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("axes", [0, -1, 8, 32767])
def test_an_analyze_header_of_impossible_axes_is_refused_by_name(tmp_path: Path, axes: int) -> None:
    WRITERS["e.hdr"](tmp_path / "e.hdr")
    content = bytearray((tmp_path / "e.hdr").read_bytes())
    content[40:42] = axes.to_bytes(2, "little", signed=True)
    (tmp_path / "e.hdr").write_bytes(content)
    with pytest.raises(MedsegError, match=r"e\.hdr: (states .* axes|has a broken header)"):
        read_geometry(tmp_path / "e.hdr")
