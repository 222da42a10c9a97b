"""The organ in which a region lies, where a label map of organs is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg.image import Segmentation
from medseg.regions.measured import Measured
from medseg.regions.schema import Column

__all__ = ["columns", "measure"]


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of the organ."""
    beside = "where no organ overlaps it, the one with most of the voxels around it; empty where there is none"
    return (
        Column("organ", "", "str", f"Organ with most of the region's voxels; {beside}."),
        Column("organ_share", "", "float64", "Share of the region's voxels that are in that organ, 0 to 1."),
    )


def measure(found: Measured) -> dict[str, Any]:
    """Their values; nothing where no organs are known."""
    if found.organs is None:
        return {}
    counts = _counts(found.organs, found.region.box, found.mask)
    if counts.any():
        most = int(counts.argmax())
        return {"organ": found.organs.labels.names[most], "organ_share": counts[most] / found.region.voxels}
    around = _counts(found.organs, *_rim(found))
    return {"organ": found.organs.labels.names[int(around.argmax())] if around.any() else "", "organ_share": 0.0}


def _counts(organs: Segmentation, box: tuple[slice, ...], mask: np.ndarray) -> np.ndarray:
    """How many of the voxels of a mask each organ has."""
    if not organs.labels.exclusive:
        return np.array([np.count_nonzero(one[box][mask]) for one in organs.mask])
    indices = organs.labels.to_indices(organs.mask[box][mask], "organs")
    return np.bincount(indices, minlength=organs.labels.classes)[1 : organs.labels.classes]


def _rim(found: Measured) -> tuple[tuple[slice, ...], np.ndarray]:
    """The voxels that touch a region, and the box that they are in."""
    from scipy.ndimage import binary_dilation

    region = found.region
    low = [min(1, first) for first in region.start]
    high = [min(1, n - a - b) for a, b, n in zip(region.start, region.size, found.whole.shape, strict=True)]
    padded = np.pad(found.mask, list(zip(low, high, strict=True)))
    box = tuple(slice(a - b, a + n + c) for a, n, b, c in zip(region.start, region.size, low, high, strict=True))
    return box, binary_dilation(padded, np.ones((3,) * padded.ndim)) & ~padded
