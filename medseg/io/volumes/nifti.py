"""NIfTI-1 and NIfTI-2, in one file or as a pair of `.hdr` and `.img`: header by nibabel, voxels by one fast read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from medseg.errors import GeometryError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.volumes import analyze, pairs
from medseg.io.volumes.stated import named_geometry
from medseg.io.volumes.stored import Stretch, opened
from medseg.io.volumes.volume_file import VolumeFile
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_MAGIC_AT = {348: 344, 540: 4}
_SINGLE, _PAIR = {b"n+1", b"n+2"}, {b"ni1", b"ni2"}
_TO_MM = {"meter": 1000.0, "micron": 0.001}
_CONFLICT_MM = 1e-3
_WORTH_A_NOTE = 30  # nibabel's levels: 30 is minor, 40 an error


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """A NIfTI or Analyze file as one channel, in its stored type (float32 where the header scales).

    A 2D file is a volume of one slice; trailing axes of length 1 are dropped. Of a fourth axis one volume is read:
    the one that `inside` or `options.frame` numbers, from 0.

    Raises:
        UnreadableFileError: The file is missing, truncated or not NIfTI, or holds colours, vectors or complex numbers.
        GeometryError: The grid is singular, or there are several volumes and none is chosen.
        InputError: There is no volume of the number that is asked for.
    """
    return _described(path).image(inside, options)


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    return _described(path).grid(inside, options)


def _described(path: Path) -> VolumeFile:
    header_file, voxel_file = pairs.parts(path)
    with opened(header_file) as file:
        start = file.read(540)
    if not start:
        raise UnreadableFileError(header_file, "is empty", "Fetch or export it again.")
    sizes = int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")
    size = next((size for size in sizes if size in _HEADERS), 0)
    magic = start[_MAGIC_AT[size] :][:3] if size else b""
    if magic not in _SINGLE | _PAIR:
        if size == 348 and header_file != voxel_file:
            return _analyze(path, header_file, voxel_file, start)
        raise UnreadableFileError(header_file, "is not NIfTI", "Give the file the ending of its real format.")
    if (magic in _PAIR) != (header_file != voxel_file):
        wanted = "a .hdr beside its .img" if magic in _PAIR else "one .nii file"
        raise UnreadableFileError(header_file, "has the wrong ending for its header", "Rename it.", wanted)
    if len(start) < size:
        raise UnreadableFileError(header_file, "ends inside its header", "Fetch or export it again.")
    header, notes = _header(header_file, start[:size])
    geometry, doubts = _geometry(header_file, header)
    stretch = replace(_stretch(header_file, header, geometry), path=voxel_file)
    header["magic"] = header.single_magic  # a mask that carries it over is one file
    return VolumeFile(path, geometry, stretch, notes + doubts, header, _scaling(header_file, header))


def _analyze(path: Path, header_file: Path, voxel_file: Path, start: bytes) -> VolumeFile:
    header, notes = analyze.header(header_file, start)
    geometry = analyze.geometry(header_file, header)
    stretch = replace(_stretch(header_file, header, geometry), path=voxel_file)
    return VolumeFile(path, geometry, stretch, notes, scale=analyze.scaling(header))


def _header(path: Path, block: bytes) -> tuple[Any, tuple[str, ...]]:
    found = _Findings()
    try:
        header = _HEADERS[len(block)](block, check=False)
        header.check_fix(found, 40)
    except (HeaderDataError, ImageFileError, ValueError, OverflowError) as error:
        raise UnreadableFileError(path, f"has a broken header ({error})", "Fetch or export it again.") from error
    return header, tuple(found)


class _Findings(list[str]):
    """Takes what nibabel would print of a header that it mends."""

    def log(self, level: int, message: str) -> None:
        if level >= _WORTH_A_NOTE and "divisible by 16" not in message:
            self.append(f"header: {message}")


def _shape(path: Path, header: Any) -> tuple[tuple[int, ...], int]:
    """The shape of one volume, (x, y, z), and how many there are."""
    declared = [int(n) for n in header.get_data_shape()]
    shape = list(declared)
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) > 4:
        raise UnreadableFileError(
            path,
            f"has {len(shape)} axes {tuple(declared)}: it holds vectors or a warp",
            "Give the image itself, or one component written as a file of its own.",
            "one number a voxel",
        )
    shape += [1] * (3 - len(shape))
    if not declared or min(shape) < 1:
        raise GeometryError(path, f"shape {tuple(declared)}", "Mend the header: every axis needs a length above 0.")
    return tuple(shape[:3]), shape[3] if len(shape) == 4 else 1


def _stretch(path: Path, header: Any, geometry: Geometry) -> Stretch:
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        kind = "colours (RGB)" if dtype.names else "complex numbers" if dtype.kind == "c" else str(dtype)
        raise UnreadableFileError(path, f"holds {kind}", "Convert it to a grey image.", "one real number a voxel")
    try:
        offset = int(header.get_data_offset())
    except (ValueError, OverflowError) as error:
        raise UnreadableFileError(path, f"has a broken header ({error})", "Fetch or export it again.") from error
    return Stretch(path, dtype, offset, geometry.shape, _shape(path, header)[1])


def _geometry(path: Path, header: Any) -> tuple[Geometry, tuple[str, ...]]:
    shape, _volumes = _shape(path, header)
    try:
        with np.errstate(all="ignore"):  # a grid that is not finite is refused by name
            affine, notes = header.get_best_affine(), _form_notes(header)
    except (HeaderDataError, ValueError) as error:
        raise GeometryError(path, f"has an unusable orientation ({error})", "Mend its qform or sform.") from error
    scale, unit_notes = _unit_scale(header)
    affine[:3] *= scale
    geometry = named_geometry(path, shape, affine)
    shear = () if geometry.orthogonal else ("the axes do not stand at right angles: kept as stored",)
    return geometry, notes + shear + unit_notes


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


def _scaling(path: Path, header: Any) -> tuple[float, float]:
    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise UnreadableFileError(path, f"has an unusable scaling ({error})", "Export it again.") from error
    return (1.0, 0.0) if slope is None else (float(slope), float(inter))
