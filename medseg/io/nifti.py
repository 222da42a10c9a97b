"""NIfTI-1 and NIfTI-2: header by nibabel, voxels by one fast read into their final place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import igzip, isal_zlib
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from medseg.errors import GeometryError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_MAGIC = {348: (344, b"n+1"), 540: (4, b"n+2")}
_TO_MM = {"meter": 1000.0, "micron": 0.001}
_CONFLICT_MM = 1e-3
_BROKEN_STREAM: type[Exception] = isal_zlib.error  # type: ignore[assignment]
_LARGEST_RATIO = 1100  # deflate cannot shrink more than 1032 times


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """A NIfTI file as one channel, in its stored type (float32 where the header scales).

    A 2D file is a volume of one slice; trailing axes of length 1 are dropped.

    Raises:
        UnreadableFileError: The file is missing, truncated or not NIfTI, or holds colours or complex numbers.
        GeometryError: The grid is singular, or there is a fourth axis.
    """
    with _opened(path) as file:
        header = _header(path, file)
        geometry, notes = _geometry(path, header)
        voxels = _voxels(path, file, header).reshape(geometry.shape, order="F")
    if voxels.dtype.kind == "f" and not np.isfinite([voxels.min(), voxels.max()]).all():
        notes = (*notes, f"{int((~np.isfinite(voxels)).sum())} voxels are not finite")
    return Image(voxels[np.newaxis], geometry, source=path, header=header, notes=notes)


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    with _opened(path) as file:
        return _geometry(path, _header(path, file))[0]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, unpacked where it is gzip; whatever goes wrong in reading becomes an error that names it."""
    compressed = path.name.lower().endswith(".gz")
    try:
        with igzip.open(path, "rb") if compressed else path.open("rb") as file:
            yield file
    except igzip.BadGzipFile as error:
        raise UnreadableFileError(
            path, f"is not gzip ({error})", "Rename it if it is not compressed, or fetch it again."
        ) from error
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except (OSError, EOFError, _BROKEN_STREAM) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Fetch or export it again.") from error


def _header(path: Path, file: Any) -> Any:
    start = file.read(540)
    sizes = int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")
    size = next((size for size in sizes if size in _HEADERS), 0)
    if not start:
        raise UnreadableFileError(path, "is empty", "Fetch or export it again.")
    if not size or start[_MAGIC[size][0] :][:3] != _MAGIC[size][1]:
        raise UnreadableFileError(path, "is not NIfTI", "Give the file the ending of its real format.")
    if len(start) < size:
        raise UnreadableFileError(path, "ends inside its header", "Fetch or export it again.")
    file.seek(0)
    try:
        return _HEADERS[size].from_fileobj(file)
    except (HeaderDataError, ImageFileError, ValueError) as error:
        raise UnreadableFileError(path, f"has a broken header ({error})", "Fetch or export it again.") from error


def _geometry(path: Path, header: Any) -> tuple[Geometry, tuple[str, ...]]:
    shape = [int(n) for n in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) > 3:
        raise GeometryError(
            path,
            f"has {len(shape)} axes {tuple(shape)}",
            "Write the volumes as one file each and give one per channel, or keep one volume of the time series.",
            "one volume",
        )
    shape += [1] * (3 - len(shape))
    try:
        affine, notes = header.get_best_affine(), _form_notes(header)
    except (HeaderDataError, ValueError) as error:
        raise GeometryError(path, f"has an unusable orientation ({error})", "Mend its qform or sform.") from error
    scale, unit_notes = _unit_scale(header)
    affine[:3] *= scale
    if min(shape) < 1 or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise GeometryError(
            path,
            f"shape {tuple(shape)} and a singular or non-finite affine {affine.tolist()}",
            "Mend the header: every axis needs a length, a direction and a spacing above 0.",
        )
    return Geometry(tuple(shape), affine), notes + unit_notes


def _form_notes(header: Any) -> tuple[str, ...]:
    """What is doubtful in the header's two orientations; the sform wins, as in nibabel."""
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    if not sform_code and not qform_code:
        return ("neither sform nor qform is set: the orientation is NIfTI's default, not known",)
    if not sform_code or not qform_code:
        return ()
    try:
        qform = header.get_qform()
    except (HeaderDataError, ValueError):
        return ("the qform is not a rotation: the sform is used",)
    shape = (*header.get_data_shape(), 1, 1)[:3]
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) * (np.array(shape) - 1)
    difference = header.get_sform() - qform
    moved = np.linalg.norm(corners @ difference[:3, :3].T + difference[:3, 3], axis=1).max()
    if moved > _CONFLICT_MM:
        return (f"sform and qform differ by up to {moved:.4g} mm: the sform is used",)
    return ()


def _unit_scale(header: Any) -> tuple[float, tuple[str, ...]]:
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError:
        return 1.0, ("the unit of length is not one of NIfTI's: taken as mm",)
    if unit not in _TO_MM:
        return 1.0, ()
    return _TO_MM[unit], (f"the grid is stored in {unit}s: turned into mm",)


def _voxels(path: Path, file: Any, header: Any) -> np.ndarray:
    """All voxels, flat, in native byte order."""
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise UnreadableFileError(path, f"holds values of type {dtype}", "Convert it.", "one real number a voxel")
    count = int(np.prod([int(n) for n in header.get_data_shape()], dtype=object))
    if count * dtype.itemsize > path.stat().st_size * _LARGEST_RATIO:
        raise UnreadableFileError(path, f"is too short for {count} voxels", "Fetch or export it again.")
    stored = np.empty(count, dtype)
    file.seek(int(header.get_data_offset()))
    _fill(path, file, stored.data.cast("B"))
    if not dtype.isnative:
        stored = stored.astype(dtype.newbyteorder("="))
    slope, inter = _scaling(path, header)
    if (slope, inter) == (1.0, 0.0):
        return stored
    with np.errstate(all="ignore"):  # what overflows becomes infinite, and is noted as such
        return (stored * np.float64(slope) + inter).astype(np.float32)


def _scaling(path: Path, header: Any) -> tuple[float, float]:
    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise UnreadableFileError(path, f"has an unusable scaling ({error})", "Export it again.") from error
    return (1.0, 0.0) if slope is None else (float(slope), float(inter))


def _fill(path: Path, file: Any, buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):
        got = file.readinto(buffer[done:])
        if not got:
            raise UnreadableFileError(
                path, f"ends after {done} of {len(buffer)} bytes of voxels", "Fetch or export it again."
            )
        done += got
    file.read(1)  # reaching the end makes gzip compare its checksum
