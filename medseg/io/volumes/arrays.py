"""NumPy's `.npy` and `.npz`: plain arrays, memory-mapped where they can be, with what grid is stated beside them.

A 2D array is (rows, columns), as pictures are; a 3D array is (x, y, z), as nibabel gives it. In an `.npz`, `affine`
(index x, y[, z] to RAS+ mm) or `spacing` / `spacing_mm` give the grid; a `.npy` has no spacing. Nothing is unpickled.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from medseg import address
from medseg.errors import InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.volumes import npy
from medseg.io.volumes.stated import stated_geometry
from medseg.io.volumes.stored import LARGEST_RATIO, not_finite
from medseg.io.volumes.volume_file import chosen_volume
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_SPACINGS = ("spacing_mm", "spacing")
_MOST_NUMBERS = 16
_MOST_ARRAYS = 10_000
_BROKEN = (
    *(OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError),
    *(zlib.error, zipfile.BadZipFile, struct.error),
)


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """One array as one channel in its stored type (bool as uint8); `inside` is its key in an `.npz`.

    Raises:
        UnreadableFileError: The file is missing or broken, declares more than it holds, or holds no numbers.
        InputError: An `.npz` holds several arrays and none is named, or not the one that is.
        GeometryError: What is stated of the grid does not fit.
    """
    chosen_volume(path, 1, "", options)
    if path.suffix.lower() == ".npz":
        with _archive(path) as archive:
            key = inside or _only(path, archive)
            where, header = _member(path, archive, key)
            geometry = _stated(path, archive, where, header)
            with archive.open(f"{key}.npy") as member:
                values = npy.inflated(where, member, header)
    else:
        header, geometry = _single(path, inside)
        values = npy.mapped(path, header)
    values = values.view(np.uint8) if values.dtype.kind == "b" else values
    voxels = values.T if values.ndim == 2 else values
    return Image(voxels[np.newaxis], geometry, source=path, notes=not_finite(voxels))


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    chosen_volume(path, 1, "", options)
    if path.suffix.lower() != ".npz":
        return _single(path, inside)[1]
    with _archive(path) as archive:
        where, header = _member(path, archive, inside or _only(path, archive))
        return _stated(path, archive, where, header)


def _single(path: Path, inside: str) -> tuple[npy.Header, Geometry]:
    address.refuse_inside(path, inside)
    try:
        with path.open("rb") as file:
            header = npy.read_header(path, file)
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Check the path and its permissions.") from error
    return header, stated_geometry(path, _shape(path, header), None, None)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _BROKEN as error:
        raise UnreadableFileError(path, f"is not an .npz that can be read ({error})", "Save it again.") from error


def _keys(path: Path, archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    if len(names) > _MOST_ARRAYS:
        raise UnreadableFileError(path, f"holds {len(names)} members", "Split the file.", f"{_MOST_ARRAYS} at most")
    return [name.removesuffix(".npy") for name in names if name.endswith(".npy")]


def _only(path: Path, archive: zipfile.ZipFile) -> str:
    images = {key: header for key in _keys(path, archive) if (header := _image_header(path, archive, key))}
    if len(images) == 1:
        return next(iter(images))
    listed = "; ".join(f"{key} {'×'.join(map(str, one.shape))} {one.dtype}" for key, one in list(images.items())[:20])
    example = address.join(path, next(iter(images), "KEY"))
    raise InputError(
        path, f"holds {len(images)} images ({listed or 'no array of 2 or 3 axes'})", f"Name one: {example}."
    )


def _image_header(path: Path, archive: zipfile.ZipFile, key: str) -> npy.Header | None:
    """The header of a member that can be an image: numbers, of two or three axes, and not the grid of the others."""
    try:
        header = _member(path, archive, key)[1]
    except UnreadableFileError:
        return None
    return header if len(header.shape) in (2, 3) and key != "affine" else None


def _member(path: Path, archive: zipfile.ZipFile, key: str) -> tuple[Path, npy.Header]:
    """Address and header of a member whose declared size is one that its packed bytes can have."""
    where = address.join(path, key)
    try:
        info = archive.getinfo(f"{key}.npy")
    except KeyError:
        there = ", ".join(_keys(path, archive)[:20])
        raise InputError(where, f"there is no array {key!r}", f"Take one of: {there}.") from None
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableFileError(where, "is encrypted or packed in an unknown way", "Save it with numpy.savez.")
    with archive.open(info) as member:
        header = npy.read_header(where, member)
    packed = min(info.compress_size, path.stat().st_size)
    if header.size > info.file_size or info.file_size > packed * LARGEST_RATIO:
        raise UnreadableFileError(where, f"is too short for its shape {header.shape}", "Save it again.")
    return where, header


def _stated(path: Path, archive: zipfile.ZipFile, where: Path, header: npy.Header) -> Geometry:
    shape = _shape(where, header)
    spacing = next((found for key in _SPACINGS if (found := _numbers(path, archive, key)) is not None), None)
    return stated_geometry(
        where, shape, _numbers(path, archive, "affine"), spacing, None if len(shape) == 3 else (1, 0)
    )


def _numbers(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray | None:
    if f"{key}.npy" not in archive.NameToInfo:
        return None
    where, header = _member(path, archive, key)
    if np.prod(header.shape, dtype=object) > _MOST_NUMBERS:
        raise UnreadableFileError(where, f"has the shape {header.shape}", "Mend it.", "a few numbers")
    with archive.open(f"{key}.npy") as member:
        return npy.inflated(where, member, header).astype(np.float64)


def _shape(where: Path, header: npy.Header) -> tuple[int, ...]:
    """The shape of the image, (x, y[, z])."""
    if len(header.shape) not in (2, 3) or min(header.shape) < 1:
        raise UnreadableFileError(
            where, f"has the shape {header.shape}", "Save each channel as an array.", "(rows, columns) or (x, y, z)"
        )
    return header.shape[::-1] if len(header.shape) == 2 else header.shape
