"""Label maps: read in their file values, and brought onto the grid of their image without resampling."""

from pathlib import Path

import numpy as np

from medseg.errors import GridMismatchError, LabelError
from medseg.geometry import Geometry
from medseg.io import formats
from medseg.io.grids import exact_turn, mismatch
from medseg.io.reading import read_image

__all__ = ["mask_on_grid", "read_mask"]

_WHOLE = 1e-3  # how far a stored value may lie from a whole number


def read_mask(path: str | Path) -> tuple[np.ndarray, Geometry]:
    """A label map in its file values.

    Returns:
        Integers of shape (x, y[, z]) and their grid. Whole numbers stored as floats are rounded.

    Raises:
        UnreadableFileError: The file is missing, broken or of an unknown kind.
        LabelError: It holds fractions, infinities or colours.
        GeometryError: Its grid is doubtful.
    """
    path = Path(path)
    if formats.ending(path) in formats.RASTER and path.is_file():
        from medseg.io import raster

        mask, geometry = raster.read_labels(path)
    else:
        image = read_image(path)
        mask, geometry = image.voxels[0], image.geometry
    return (mask if mask.dtype.kind in "iu" else _rounded(mask, path)), geometry


def mask_on_grid(mask: np.ndarray, geometry: Geometry, target: Geometry, where: str | Path) -> np.ndarray:
    """The mask on another grid of the very same voxels, in the order in which that grid stores them.

    Args:
        mask: Shape (x, y[, z]), on `geometry`.
        geometry: The mask's grid.
        target: The image's grid.
        where: What to name in an error.

    Raises:
        GridMismatchError: The grids are not the same voxels; nothing is ever resampled here.
    """
    turn = exact_turn(geometry, target)
    if turn is None:
        raise GridMismatchError(
            where,
            f"the mask {mismatch(geometry, target)}",
            "If it was drawn on another image, remove the pair; otherwise resample it onto the image's grid.",
        )
    return turn(mask)


def _rounded(mask: np.ndarray, path: Path) -> np.ndarray:
    whole = np.rint(mask)
    limit = np.iinfo(np.int32).max
    if not (np.abs(mask) <= limit).all() or np.abs(mask - whole).max(initial=0) > _WHOLE:
        raise LabelError(
            path,
            "holds values that are not whole numbers",
            "Give a label map, not an image or probabilities (threshold those first).",
        )
    small = np.min_scalar_type(int(whole.max())) if whole.min() >= 0 else np.dtype(np.int32)
    return whole.astype(small)
