"""Analyze 7.5 headers: size and spacing are trusted; orientation is a convention, and every image says so in a note.

The format has no field that states which side is left. The axes are taken as stored right to left, back to front,
foot to head (the default of SPM and nibabel), the origin from SPM's field where it is set, else the volume's middle.
A header that names another slice orientation is refused, because programs disagree on what it means.
"""

from pathlib import Path
from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.spm2analyze import Spm2AnalyzeHeader

from medseg.errors import GeometryError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io.volumes.stated import named_geometry

__all__ = ["geometry", "header", "scaling"]

_SIZE = 348
_ORIENT_AT = 252
_MOST_AXES = 7
_TRANSVERSE = (0, 32, 48)  # not written, a blank, the digit 0
_NOTE = "Analyze 7.5 does not state an orientation: x is taken to run from right to left, so sides may be swapped"


def header(path: Path, start: bytes) -> tuple[Any, tuple[str, ...]]:
    """The header as nibabel has it, with SPM's fields, and notes.

    Raises:
        UnreadableFileError: The header is broken.
        GeometryError: It names an orientation of its slices that is not the plain transverse one.
    """
    if len(start) < _SIZE:
        raise UnreadableFileError(path, "ends inside its header", "Fetch or export it again.")
    if start[_ORIENT_AT] not in _TRANSVERSE:
        raise GeometryError(
            path,
            f"is Analyze 7.5 with the slice orientation {start[_ORIENT_AT]}, which programs read differently",
            "Convert it to NIfTI with the program that wrote it.",
            "0 (transverse)",
        )
    try:
        found = Spm2AnalyzeHeader(start[:_SIZE], check=False)
        found.get_data_dtype()
    except (HeaderDataError, ValueError, KeyError) as error:
        raise UnreadableFileError(path, f"has a broken header ({error})", "Fetch or export it again.") from error
    axes = int(found["dim"][0])
    if not 1 <= axes <= _MOST_AXES:
        raise UnreadableFileError(path, f"states {axes} axes", "Fetch or export it again.", f"1 to {_MOST_AXES}")
    notes: tuple[str, ...] = (_NOTE,)
    if scaling(found) != (1.0, 0.0):
        notes += ("values are scaled by SPM's factor {:.6g} and offset {:.6g}".format(*scaling(found)),)
    if path.with_name(path.name.split(".hdr")[0] + ".mat").exists():
        notes += ("the .mat file beside it, in which SPM keeps an orientation, is not read",)
    return found, notes


def geometry(path: Path, found: Any) -> Geometry:
    """The grid, by nibabel's rule for SPM's headers.

    Raises:
        GeometryError: An axis has no length or no spacing.
    """
    if not (found["pixdim"][1:4] > 0).all():
        raise GeometryError(
            path, f"states the spacing {found['pixdim'][1:4].tolist()}", "Mend the header.", "three numbers above 0"
        )
    shape = (*(int(n) for n in found.get_data_shape()), 1, 1)[:3]
    with np.errstate(all="ignore"):  # a grid that is not finite is refused by name
        affine = found.get_best_affine()
    return named_geometry(path, shape, affine)


def scaling(found: Any) -> tuple[float, float]:
    """SPM's factor and offset, where they are set; the range for display is not one."""
    slope, inter = float(found["scl_slope"]), float(found["scl_inter"])
    if not np.isfinite(slope) or not slope:
        return 1.0, 0.0
    return slope, inter if np.isfinite(inter) else 0.0
