"""Label maps: read in their file values, and brought onto the grid of their image without resampling."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medseg import address
from medseg.errors import GridMismatchError, InputError, LabelError
from medseg.geometry import Geometry
from medseg.io import formats
from medseg.io.grids import exact_turn, mismatch
from medseg.io.reading import read_image
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["mask_on_grid", "read_mask"]

_WHOLE = 1e-3  # how far a stored value may lie from a whole number


def read_mask(
    source: str | Path | Sequence[str | Path],
    *,
    on: Geometry | None = None,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
) -> tuple[np.ndarray, Geometry]:
    """A label map in its file values; of several files, their union.

    Args:
        source: The file, or the files whose labels are united.
        on: The image's grid; the result lies on it.
        labels: What the masks can contain: needed for colour-coded pictures, and for values to be snapped to.
        options: How to read, where there is a choice.

    Returns:
        Integers of shape (x, y[, z]) and their grid. Whole numbers stored as floats are rounded.

    Raises:
        UnreadableFileError: A file is missing, broken or of an unknown kind.
        LabelError: It holds fractions, infinities or undeclared colours, or two files label one voxel differently.
        GeometryError: Its grid is doubtful.
        GridMismatchError: It does not lie on `on`, or several files do not lie on one grid.
    """
    paths = [source] if isinstance(source, (str, Path)) else list(source)
    if not paths:
        raise InputError("source", "no mask was given", "Pass the file of a mask.")
    united, grid = _read_one(Path(paths[0]), on, labels, options or ReadOptions())
    for path in paths[1:]:
        mask, geometry = _read_one(Path(path), on, labels, options or ReadOptions())
        united = _union(united, mask_on_grid(mask, geometry, grid, path), path, labels)
    return united, grid


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


def _read_one(
    path: Path, on: Geometry | None, labels: Labels | None, options: ReadOptions
) -> tuple[np.ndarray, Geometry]:
    file, _inside = address.split(path)
    if formats.ending(file) in formats.RASTER and file.is_file():
        from medseg.io import raster

        mask, geometry = raster.read_labels(file)
    else:
        image = read_image(path, options=options)
        mask, geometry = image.voxels[0], image.geometry
    whole = mask if mask.dtype.kind in "iu" else _rounded(mask, path)
    return (whole, geometry) if on is None else (mask_on_grid(whole, geometry, on, path), on)


def _union(one: np.ndarray, other: np.ndarray, where: str | Path, labels: Labels | None) -> np.ndarray:
    """Both label maps in one; background gives way to a label."""
    background = labels.background if labels else (0,)
    empty_one, empty_other = np.isin(one, background), np.isin(other, background)
    if ((one != other) & ~empty_one & ~empty_other).any():
        raise LabelError(
            where,
            "labels voxels that another mask of the case labels differently",
            "Say which is right, or split them.",
        )
    return np.where(empty_one, other, one)


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
