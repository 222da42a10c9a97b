"""A label map as it was read: its file values, their grid, and what had to be done to them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import LabelError
from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["LabelMap", "exclusive_map", "overlapping_map"]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """What a mask file holds.

    Args:
        mask: File values, shape (x, y[, z]); of labels that overlap, channels of 0 and 1, shape (labels, x, y[, z]),
            and `IGNORE_INDEX` where nobody judged.
        geometry: Their grid.
        notes: What was done to read it: rounded, given the nearest declared value, ...
    """

    mask: np.ndarray
    geometry: Geometry
    notes: tuple[str, ...] = ()


def exclusive_map(stack: np.ndarray, ignored: np.ndarray, labels: Labels, where: str | Path) -> np.ndarray:
    """Binary channels of labels that exclude one another in one map of file values.

    Args:
        stack: Boolean, shape (labels, x, y[, z]), in the order of the labels.
        ignored: Voxels nobody judged, where no label lies on them, shape (x, y[, z]).
        labels: Whose channels they are.
        where: What to name in an error.

    Raises:
        LabelError: Two labels lie on one voxel.
    """
    count = stack.sum(axis=0, dtype=np.uint8)
    if count.max(initial=0) > 1:
        shared = [name for name, channel in zip(labels.names, stack, strict=True) if (channel & (count > 1)).any()]
        raise LabelError(
            where,
            f"{int((count > 1).sum())} voxels belong to several labels ({', '.join(shared)})",
            "Unite them in one label, or declare `overlapping: true` under `labels`.",
        )
    indices = np.zeros(stack.shape[1:], np.uint8)
    for index, channel in enumerate(stack, start=1):
        indices[channel] = index
    indices[ignored & (indices == 0)] = IGNORE_INDEX
    return labels.from_indices(indices)


def overlapping_map(stack: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Binary channels of labels that may overlap, with `IGNORE_INDEX` where a label is not drawn and nobody judged.

    Args:
        stack: Boolean, shape (labels, x, y[, z]).
        ignored: Voxels nobody judged, shape (x, y[, z]).
    """
    return np.where(ignored & ~stack, np.uint8(IGNORE_INDEX), stack.astype(np.uint8))
