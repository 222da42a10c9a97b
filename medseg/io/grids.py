"""Whether two grids are the same voxels, perhaps stored in another order, and what differs where they are not."""

from collections.abc import Callable

import numpy as np

from medseg.geometry import CORNER_TOLERANCE_MM, Geometry

__all__ = ["exact_turn", "mismatch"]


def exact_turn(
    source: Geometry, target: Geometry, tolerance_mm: float = CORNER_TOLERANCE_MM
) -> Callable[[np.ndarray], np.ndarray] | None:
    """What brings arrays on `source` onto `target` by reordering axes alone, or `None` where that cannot be.

    Without patient space or spacing (2D, unknown) grids are one when their shapes are equal.
    """
    flat = source.ndim == 2 or target.ndim == 2
    if flat or not (source.spacing_known and target.spacing_known):
        return _as_stored if source.shape == target.shape else None
    if source.same_as(target, tolerance_mm):
        return _as_stored
    there, back = source.to_canonical, target.to_canonical
    if source.reoriented(there).same_as(target.reoriented(back), tolerance_mm):
        return lambda array: back.undo(there.apply(array))
    return None


def mismatch(found: Geometry, wanted: Geometry) -> str:
    """In one clause, how a grid differs from the one it should lie on."""
    both = f"({found.describe()}) and not on the image's ({wanted.describe()})"
    if found.ndim != wanted.ndim:
        return f"has {found.ndim} axes: it lies on the grid {both}"
    there, here = (grid.reoriented(grid.to_canonical) for grid in (found, wanted))
    if there.shape != here.shape:
        return f"is of another size: it lies on the grid {both}"
    if not np.allclose(there.affine[:-1, :-1], here.affine[:-1, :-1], atol=1e-4):
        return f"has another spacing or direction (up to {there.displacement_mm(here):.4g} mm away): grid {both}"
    return f"is shifted by {there.displacement_mm(here):.4g} mm: it lies on the grid {both}"


def _as_stored(array: np.ndarray) -> np.ndarray:
    return array
