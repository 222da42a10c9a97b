"""A label map as it was read: its file values, their grid, and what had to be done to them."""

from dataclasses import dataclass

import numpy as np

from medseg.geometry import Geometry

__all__ = ["LabelMap"]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """What a mask file holds.

    Args:
        mask: File values, shape (x, y[, z]).
        geometry: Their grid.
        notes: What was done to read it: rounded, given the nearest declared value, ...
    """

    mask: np.ndarray
    geometry: Geometry
    notes: tuple[str, ...] = ()
