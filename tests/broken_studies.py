"""Many small studies, DICOM series and NIfTI files, some of them broken, each in a way that is known."""

import gzip
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom

from medseg.demo.dicom import SeriesTags, write_ct_series
from medseg.geometry import Geometry

__all__ = ["BROKEN", "Broken", "write_good", "write_studies"]

SHAPE, SPACING = (32, 28, 12), (2.0, 2.0, 3.0)
_HUGE = (5000, 5000, 2000)  # voxels of 2 bytes: 100 GB


@dataclass(frozen=True)
class Broken:
    """A way to be broken.

    Args:
        what: In words.
        named: What its reason has to name: a regular expression.
        write: Makes it, at a path without an ending; gives the path of what it made.
    """

    what: str
    named: str
    write: Callable[[Path, np.random.Generator], Path]


def write_studies(folder: Path, count: int, broken: float = 0.05, seed: int = 0) -> dict[str, Broken | None]:
    """Write `count` studies, of which so many are broken, spread evenly; half of the good ones are DICOM.

    Returns:
        By the name of its file or folder what is wrong with each study; None where nothing is.
    """
    rng = np.random.default_rng(seed)
    ways = [way for way in BROKEN if os.name == "posix" and (os.geteuid() or way.what != "no permission")]
    wrong = {int((number + 0.5) / broken) for number in range(round(count * broken))} if broken else set()
    studies: dict[str, Broken | None] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if number in wrong:
            way = ways[sum(one is not None for one in studies.values()) % len(ways)]
            studies[way.write(folder / f"s{number:05d}", rng).name] = way
        else:
            studies[write_good(folder / f"s{number:05d}", rng, dicom=number % 2 == 0).name] = None
    return studies


def write_good(path: Path, rng: np.random.Generator, *, dicom: bool) -> Path:
    """A volume with two or three bright bodies."""
    return _series(path, rng) if dicom else _nifti(path, rng)


def _voxels(rng: np.random.Generator) -> np.ndarray:
    voxels = rng.normal(0, 15, SHAPE)
    places = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    for _ in range(rng.integers(2, 4)):
        centre, radius = rng.uniform(3, np.array(SHAPE) - 3), rng.uniform(4, 9)  # voxels; mm
        away = sum(((at - c) * step) ** 2 for at, c, step in zip(places, centre, SPACING, strict=True))
        voxels[away < radius**2] += 300
    return np.rint(voxels).astype(np.int16)


def _affine() -> np.ndarray:
    return np.diag([-SPACING[0], SPACING[1], SPACING[2], 1.0])


def _nifti(path: Path, rng: np.random.Generator, ending: str = ".nii.gz") -> Path:
    target = path.with_name(path.name + ending)
    nibabel.save(nibabel.Nifti1Image(_voxels(rng), _affine()), target)
    return target


def _series(path: Path, rng: np.random.Generator) -> Path:
    tags = SeriesTags(path.name, "study1", "abdomen", "20260101", "many studies")
    write_ct_series(path, _voxels(rng), Geometry(SHAPE, _affine()), tags, rng)
    return path


def _slices(path: Path, rng: np.random.Generator) -> list[Path]:
    """A good series; its files by position."""
    files = _series(path, rng).iterdir()
    return sorted(files, key=lambda file: float(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2]))


def _edited(file: Path, **values: object) -> None:
    dataset = pydicom.dcmread(file)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(file, enforce_file_format=True)


def _cut(path: Path, part: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    return path


def _header(path: Path, rng: np.random.Generator, start: int, content: bytes, keep: int | None = None) -> Path:
    """A volume in whose header bytes are replaced."""
    target = _nifti(path, rng)
    whole = bytearray(gzip.decompress(target.read_bytes()))
    whole[start : start + len(content)] = content
    target.write_bytes(gzip.compress(bytes(whole[:keep]), 1))
    return target


def _text(path: Path, _rng: np.random.Generator) -> Path:
    target = path.with_name(f"{path.name}.nii.gz")
    target.write_text("see the other folder\n")
    return target


def _empty(path: Path, _rng: np.random.Generator) -> Path:
    target = path.with_name(f"{path.name}.nii.gz")
    target.touch()
    return target


def _nan(path: Path, rng: np.random.Generator) -> Path:
    return _header(path, rng, 280, struct.pack("<12f", *[float("nan")] * 12))  # srow_x, srow_y, srow_z


def _four_axes(path: Path, rng: np.random.Generator) -> Path:
    target = path.with_name(f"{path.name}.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.stack([_voxels(rng), _voxels(rng)], -1), _affine()), target)
    return target


def _huge(path: Path, rng: np.random.Generator) -> Path:
    return _header(path, rng, 40, struct.pack("<8h", 3, *_HUGE, 1, 1, 1, 1))  # dim


def _nowhere(path: Path, _rng: np.random.Generator) -> Path:
    target = path.with_name(f"{path.name}.nii.gz")
    target.symlink_to(path.parent / "nowhere" / target.name)
    return target


def _cut_slice(path: Path, rng: np.random.Generator) -> Path:
    _cut(_slices(path, rng)[5], 0.7)
    return path


def _gap(path: Path, rng: np.random.Generator) -> Path:
    _slices(path, rng)[5].unlink()
    return path


def _twice(path: Path, rng: np.random.Generator) -> Path:
    """Two different slices at one place."""
    files = _slices(path, rng)
    place = pydicom.dcmread(files[5], stop_before_pixels=True).ImagePositionPatient
    _edited(files[6], ImagePositionPatient=place)
    return path


def _sizes(path: Path, rng: np.random.Generator) -> Path:
    file = _slices(path, rng)[5]
    pixels = pydicom.dcmread(file).pixel_array[:-4]
    _edited(file, Rows=pixels.shape[0], PixelData=pixels.tobytes())
    return path


def _syntax(path: Path, rng: np.random.Generator) -> Path:
    """Pixels in a transfer syntax that nobody decodes here: a private one, as of old PACS."""
    for file in _slices(path, rng):
        dataset = pydicom.dcmread(file)
        dataset.PixelData = pydicom.encaps.encapsulate([dataset.PixelData])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
        dataset.save_as(file, enforce_file_format=True)
        unknown = file.read_bytes().replace(b"1.2.840.10008.1.2.4.50", b"1.2.826.0.1.3680043.99")
        file.write_bytes(unknown)
    return path


def _locked_zip(path: Path, rng: np.random.Generator) -> Path:
    """A zip whose member says that it is encrypted."""
    inner, target = _nifti(path, rng), path.with_name(f"{path.name}.zip")
    with zipfile.ZipFile(target, "w") as archive:
        archive.write(inner, inner.name)
    inner.unlink()
    content = bytearray(target.read_bytes())
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + place] |= 1
    target.write_bytes(content)
    return target


def _forbidden(path: Path, rng: np.random.Generator) -> Path:
    _series(path, rng).chmod(0)
    return path


BROKEN = (
    Broken("gzip cut off", "ended before the end", lambda path, rng: _cut(_nifti(path, rng), 0.6)),
    Broken("file cut off", "too short for", lambda path, rng: _cut(_nifti(path, rng, ".nii"), 0.6)),
    Broken("text named .nii.gz", "is not gzip", _text),
    Broken("wrong magic", "is not NIfTI", lambda path, rng: _header(path, rng, 344, b"what")),
    Broken("no bytes", "is empty", _empty),
    Broken("affine of NaN", "non-finite affine", _nan),
    Broken("four axes", "holds 2 volumes", _four_axes),
    Broken("header of 100 GB", "too short for 50000000000 voxels", _huge),
    Broken("link to nowhere", "does not exist", _nowhere),
    Broken("a DICOM file cut off", "ends after .* bytes of pixels", _cut_slice),
    Broken("a slice missing", "1 slice is missing", _gap),
    Broken("two slices at one place", "several slices lie at one position", _twice),
    Broken("a slice of another size", "1 of 12 slices is of another size", _sizes),
    Broken("unknown transfer syntax", "1.2.826.0.1.3680043.99.* cannot be decoded", _syntax),
    Broken("zip with a password", "is encrypted", _locked_zip),
    Broken("no permission", "Permission denied", _forbidden),
)
