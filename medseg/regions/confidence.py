"""Confidence of a region, where probabilities are known: their mean, and how small or large it could be."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg.regions.keeping import components_of
from medseg.regions.measured import BLOCK, Measured
from medseg.regions.schema import Column
from medseg.regions.size import MM3_PER_ML

__all__ = ["columns", "measure"]

_SURE, _POSSIBLE = 0.75, 0.25
_MARGIN = 4  # voxels around a region that are looked at first


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of confidence."""
    low = f"voxels of the region with a probability of at least {_SURE}"
    high = (
        f"the region and what joins it through voxels with a probability of at least {_POSSIBLE} that no region has; "
        "two neighbours may both claim such a voxel"
    )
    return (
        Column("mean_confidence", "", "float64", "Mean probability of its label in the region, 0 to 1."),
        Column("voxels_low", "", "Int64", f"Lower end of the size: {low}."),
        Column("voxels_high", "", "Int64", f"Upper end of the size: {high}."),
        Column("volume_low_ml", "ml", "float64", "voxels_low times the volume of one; empty in 2D."),
        Column("volume_high_ml", "ml", "float64", "voxels_high times the volume of one; empty in 2D."),
    )


def measure(found: Measured) -> dict[str, Any]:
    """Their values; nothing where no probabilities are known."""
    if found.probabilities is None:
        return {}
    chances = found.confidences()
    most = float(np.iinfo(chances.dtype).max) if chances.dtype.kind == "u" else 1.0
    row: dict[str, Any] = {
        "mean_confidence": float(chances.mean(dtype=np.float64)) / most if chances.size else np.nan,
        "voxels_low": int(np.count_nonzero(chances >= _SURE * most)),
        "voxels_high": _grown(found, found.probabilities, _POSSIBLE * most),
    }
    if found.whole.ndim == 3 and found.whole.spacing_known:
        voxel_ml = found.whole.voxel_size / MM3_PER_ML
        row |= {f"volume_{end}_ml": row[f"voxels_{end}"] * voxel_ml for end in ("low", "high")}
    return row


def _grown(found: Measured, probabilities: np.ndarray, least: float) -> int:
    """Voxels of the region grown into unclaimed ones; the box that is looked at grows until the region fits in it."""
    region, shape, margin = found.region, found.whole.shape, _MARGIN
    while True:
        starts = [max(0, first - margin) for first in region.start]
        stops = [min(n, a + b + margin) for a, b, n in zip(region.start, region.size, shape, strict=True)]
        box = tuple(map(slice, starts, stops))
        inner = tuple(slice(a - b, a - b + n) for a, b, n in zip(region.start, starts, region.size, strict=True))
        allowed = _allowed(found, probabilities, least, box)
        allowed[inner] |= found.mask
        own = np.zeros(allowed.shape, bool)
        own[inner] = found.mask
        # A region whose fragments were merged may be several components.
        grown = [one for one in components_of(allowed) if (own[one.box] & one.mask).any()]
        open_sides = any(
            (a == 0 and low > 0) or (a + n == high - low and high < whole)
            for one in grown
            for a, n, low, high, whole in zip(one.start, one.size, starts, stops, shape, strict=True)
        )
        if not open_sides:
            return sum(one.voxels for one in grown)
        margin *= 2


def _allowed(found: Measured, probabilities: np.ndarray, least: float, box: tuple[slice, ...]) -> np.ndarray:
    """Voxels of a box that are probable enough and of no region, some slices at a time."""
    shape = [part.stop - part.start for part in box]
    allowed = np.empty(shape, bool)
    rows = max(1, BLOCK * shape[0] // max(1, allowed.size))
    for first in range(0, shape[0], rows):
        part = (slice(box[0].start + first, min(box[0].stop, box[0].start + first + rows)), *box[1:])
        allowed[first : first + rows] = (probabilities[part] >= least) & ~found.labelled(part)
    return allowed
