"""The grid that a file states in numbers: an affine or a spacing, checked and named in every refusal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medseg.errors import GeometryError
from medseg.geometry import UNKNOWN, Geometry

__all__ = ["named_geometry", "stated_geometry"]

_FARTHEST_MM = 1e9
_AGREE = 1e-3  # relative difference of a spacing from the steps of the affine beside it


def named_geometry(where: str | Path, shape: Sequence[int], affine: npt.ArrayLike, source: str = "affine") -> Geometry:
    """A grid, or a refusal that names the file and not only the numbers.

    Raises:
        GeometryError: An axis has no length, or the affine is singular or not finite.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    finite = np.isfinite(matrix).all() and np.abs(matrix).max() < _FARTHEST_MM
    if min(shape) < 1 or not finite or abs(np.linalg.det(matrix[:-1, :-1])) < 1e-12:
        raise GeometryError(
            where,
            f"shape {tuple(shape)} and a singular or non-finite affine {matrix.tolist()}",
            "Mend the header: every axis needs a length, a direction and a spacing above 0.",
        )
    return Geometry(tuple(shape), matrix, source)


def stated_geometry(
    where: str | Path,
    shape: Sequence[int],
    affine: np.ndarray | None,
    spacing: np.ndarray | None,
    turned: Sequence[int] | None = None,
) -> Geometry:
    """The grid of an array with what its author wrote beside it; the spacing is unknown where that is nothing.

    Args:
        where: The file or address.
        shape: (x, y[, z]).
        affine: Index (x, y[, z]) to world mm (RAS+), (ndim + 1, ndim + 1), or none.
        spacing: Numbers in mm, or none.
        turned: The stored axes in the order x, y[, z] where the array is not stored so. Whether a spacing follows
            the stored order is not said then: it must be the same in both.

    Raises:
        GeometryError: The numbers are too many or too few, not finite, not above 0, or contradict each other.
    """
    ndim = len(shape)
    if affine is not None and affine.shape != (ndim + 1, ndim + 1):
        raise GeometryError(
            where, f"an affine of shape {affine.shape} for {ndim} axes", "Mend it.", f"{ndim + 1}×{ndim + 1}"
        )
    if affine is not None and not np.array_equal(affine[-1], np.eye(ndim + 1)[-1]):
        raise GeometryError(where, f"an affine with the last row {affine[-1].tolist()}", "Mend it.", "0 … 0 1")
    if spacing is not None:
        spacing = np.repeat(spacing, ndim) if spacing.size == 1 else spacing.ravel()
        if spacing.size != ndim or not (np.isfinite(spacing).all() and (spacing > 0).all()):
            raise GeometryError(
                where, f"a spacing of {spacing.tolist()}", "Mend it.", f"{ndim} numbers in mm, all above 0"
            )
    if affine is None:
        return _from_spacing(where, shape, spacing, turned)
    geometry = named_geometry(where, shape, affine)
    if spacing is not None and not np.allclose(sorted(spacing), sorted(geometry.step), rtol=_AGREE):
        raise GeometryError(
            where,
            f"a spacing of {spacing.tolist()} beside an affine with steps of {geometry.step}",
            "Remove the wrong one.",
        )
    return geometry


def _from_spacing(
    where: str | Path, shape: Sequence[int], spacing: np.ndarray | None, turned: Sequence[int] | None
) -> Geometry:
    if spacing is not None and turned is not None and not np.array_equal(spacing, spacing[list(turned)]):
        raise GeometryError(
            where,
            f"a spacing of {spacing.tolist()} beside axes stored in another order than x, y, z",
            "Give an affine, whose columns are x, y[, z], or store the array in that order.",
        )
    if spacing is None:
        return named_geometry(where, shape, np.eye(len(shape) + 1), UNKNOWN)
    return named_geometry(where, shape, np.diag([*spacing, 1.0]), "spacing")
