"""Intensities of a region, channel by channel: figures of its finite voxels."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg.regions.measured import BLOCK, Measured
from medseg.regions.schema import IBSI, Column

__all__ = ["STATISTICS", "channel_columns", "columns", "measure"]

STATISTICS = {
    "mean": "Mean",
    "sd": "Standard deviation (population, divided by n)",
    "min": "Smallest value",
    "max": "Largest value",
    "median": "Median",
    "p10": "10th percentile (linear between values)",
    "p90": "90th percentile (linear between values)",
}


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of all channels."""
    return tuple(column for channel in channels for column in channel_columns(channel))


def channel_columns(channel: str) -> tuple[Column, ...]:
    """The columns of one channel; "hu" is CT's, others carry the channel's name."""
    unit = "HU" if channel == "hu" else "as stored"
    return tuple(
        Column(f"{name}_{channel}", unit, "float64", f"{meaning} of the region's finite voxels.", f"{IBSI} 3.3")
        for name, meaning in STATISTICS.items()
    )


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    row: dict[str, Any] = {}
    for number, channel in enumerate(found.channels):
        row |= {f"{key}_{channel}": value for key, value in _statistics(found.values(number)).items()}
    return row


def _statistics(values: np.ndarray) -> dict[str, float]:
    """Figures of finite values, which are sorted in place; reckoned in float64, a block at a time."""
    if values.size == 0:
        return dict.fromkeys(STATISTICS, math.nan)
    blocks = [values[start : start + BLOCK] for start in range(0, values.size, BLOCK)]
    mean = math.fsum(float(block.sum(dtype=np.float64)) for block in blocks) / values.size
    squares = math.fsum(float(np.square(block.astype(np.float64) - mean).sum()) for block in blocks)
    values.sort()
    low, p10, median, p90, high = (_percentile(values, percent) for percent in (0, 10, 50, 90, 100))
    figures = (mean, math.sqrt(squares / values.size), low, high, median, p10, p90)
    return dict(zip(STATISTICS, figures, strict=True))


def _percentile(ordered: np.ndarray, percent: float) -> float:
    """A percentile of values in ascending order, linear between ranks as numpy's."""
    rank = (ordered.size - 1) * percent / 100
    below, above = float(ordered[math.floor(rank)]), float(ordered[math.ceil(rank)])
    return below + (above - below) * (rank - math.floor(rank))
