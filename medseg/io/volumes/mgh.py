"""FreeSurfer's MGH and MGZ: header by nibabel, voxels by one fast read."""

from pathlib import Path
from typing import Any

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.spatialimages import HeaderDataError

from medseg.errors import UnreadableFileError
from medseg.geometry import UNKNOWN, Geometry
from medseg.image import Image
from medseg.io.volumes.stated import named_geometry
from medseg.io.volumes.stored import Stretch, opened
from medseg.io.volumes.volume_file import VolumeFile
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_VERSION = b"\0\0\0\1"
_HEADER_BYTES = 90
_VOXELS_AT = 284


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """An MGH or MGZ file as one channel in its stored type; of several frames, the one that is chosen.

    Raises:
        UnreadableFileError: The file is missing, truncated or not MGH.
        GeometryError: The grid is singular, or there are several frames and none is chosen.
        InputError: There is no frame of the number that is asked for.
    """
    return _described(path).image(inside, options)


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    return _described(path).grid(inside, options)


def _described(path: Path) -> VolumeFile:
    header, oriented = _header(path)
    doubt = () if oriented else ("the header is flagged as having no orientation: spacing and sides are unknown",)
    return VolumeFile(path, _geometry(path, header, oriented), _stretch(path, header), doubt)


def _header(path: Path) -> tuple[Any, bool]:
    """The header as nibabel has it, and whether the file itself states spacing and directions."""
    with opened(path) as file:
        start = file.read(_HEADER_BYTES)
    if len(start) < _HEADER_BYTES or start[:4] != _VERSION:
        raise UnreadableFileError(path, "is not MGH, version 1", "Give the file the ending of its real format.")
    try:
        header = MGHHeader(start, check=False)  # which would print what it finds
        header.get_data_dtype()
    except (HeaderDataError, KeyError, ValueError) as error:
        raise UnreadableFileError(
            path, f"is not MGH that can be read ({error})", "Give the file the ending of its real format."
        ) from error
    return header, start[28:30] != bytes(2)


def _stretch(path: Path, header: Any) -> Stretch:
    *shape, volumes = (int(n) for n in header["dims"])
    if volumes < 1:
        raise UnreadableFileError(path, f"declares {volumes} frames", "Fetch or export it again.")
    return Stretch(path, header.get_data_dtype(), _VOXELS_AT, tuple(shape), volumes)


def _geometry(path: Path, header: Any, oriented: bool) -> Geometry:
    shape = [int(n) for n in header["dims"][:3]]
    with np.errstate(all="ignore"):  # a grid that is not finite is refused by name
        affine = header.get_best_affine()
    return named_geometry(path, shape, affine, "affine" if oriented else UNKNOWN)
