"""Intensities of a region, channel by channel: figures of its finite voxels."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medseg.regions.histogram import BIN_COUNT, BIN_WIDTH_HU, entropy, fixed_count, fixed_width, places, uniformity
from medseg.regions.measured import BLOCK, Measured
from medseg.regions.schema import IBSI, Column

__all__ = ["STATISTICS", "channel_columns", "columns", "measure"]

_PERCENTILES = {"p5": 5, "p10": 10, "p25": 25, "median": 50, "p75": 75, "p90": 90, "p95": 95}
_RANK = "percentile (linear between values)"


@dataclass(frozen=True)
class _Figure:
    """One figure: its meaning, the section of IBSI, and the power of the channel's unit that it is in."""

    meaning: str
    section: str
    power: int = 1


STATISTICS = {
    "mean": _Figure("Mean", "3.3.1"),
    "sd": _Figure("Standard deviation (population, divided by n)", "3.3.2"),
    "min": _Figure("Smallest value", "3.3.6"),
    "max": _Figure("Largest value", "3.3.9"),
    "median": _Figure("Median", "3.3.5"),
    "p10": _Figure(f"10th {_RANK}", "3.3.7"),
    "p90": _Figure(f"90th {_RANK}", "3.3.8"),
    "p5": _Figure(f"5th {_RANK}", "3.3"),
    "p25": _Figure(f"25th {_RANK}", "3.3"),
    "p75": _Figure(f"75th {_RANK}", "3.3"),
    "p95": _Figure(f"95th {_RANK}", "3.3"),
    "iqr": _Figure("75th less 25th percentile", "3.3.10"),
    "range": _Figure("Largest less smallest value", "3.3.11"),
    "mad": _Figure("Mean absolute deviation from the mean", "3.3.12"),
    "rmad": _Figure(
        "Mean absolute deviation of the values from the 10th to the 90th percentile (empty where none is)", "3.3.13"
    ),
    "rms": _Figure("Root of the mean square", "3.3.18"),
    "energy": _Figure("Sum of squares", "3.3.17", 2),
    "skewness": _Figure("Skewness (0 where all are equal)", "3.3.3", 0),
    "kurtosis": _Figure("Excess kurtosis (0 of a normal distribution, and where all are equal)", "3.3.4", 0),
    "entropy": _Figure("Entropy in bits of the histogram", "3.4.18", 0),
    "uniformity": _Figure("Uniformity of the histogram", "3.4.19", 0),
}


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of all channels."""
    return tuple(column for channel in channels for column in channel_columns(channel))


def channel_columns(channel: str) -> tuple[Column, ...]:
    """The columns of one channel; "hu" is CT's, others carry the channel's name."""
    unit = ("", "HU", "HU²") if channel == "hu" else ("", "as stored", "square of what is stored")
    bins = f"bins of {BIN_WIDTH_HU:g} HU from 0" if channel == "hu" else f"{BIN_COUNT} bins from least to largest"
    found = []
    for name, figure in STATISTICS.items():
        meaning = figure.meaning if "histogram" not in figure.meaning else f"{figure.meaning} ({bins})"
        told = f"{meaning} of the region's finite voxels; empty where there are none."
        found.append(Column(f"{name}_{channel}", unit[figure.power], "float64", told, f"{IBSI} {figure.section}"))
    return tuple(found)


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    row: dict[str, Any] = {}
    for number, channel in enumerate(found.channels):
        figures = _statistics(found.values(number), channel == "hu")
        row |= {f"{key}_{channel}": value for key, value in figures.items()}
    return row


def _statistics(values: np.ndarray, hu: bool) -> dict[str, float]:
    """Figures of finite values, which are sorted in place; reckoned in float64, a block at a time."""
    if values.size == 0:
        return dict.fromkeys(STATISTICS, math.nan)
    values.sort()
    low, high = float(values[0]), float(values[-1])
    ranks = {name: _percentile(values, percent) for name, percent in _PERCENTILES.items()}
    counts = fixed_width(values, BIN_WIDTH_HU) if hu else fixed_count(values, BIN_COUNT)
    spread = {"iqr": ranks["p75"] - ranks["p25"], "range": high - low, "rmad": _robust(values, ranks)}
    histogram = {"entropy": entropy(counts), "uniformity": uniformity(counts)}
    return {**_moments(values), "min": low, "max": high, **ranks, **spread, **histogram}


def _moments(ordered: np.ndarray) -> dict[str, float]:
    """Figures of the mean and of the deviations from it."""
    n, mean = ordered.size, _mean(ordered)
    sums = []
    for block in _blocks(ordered):
        deviation = block - mean
        squared = deviation * deviation
        absolute = np.abs(deviation).sum()
        sums.append((squared.sum(), squared @ deviation, squared @ squared, absolute, block @ block))
    second, third, fourth, absolute, energy = (math.fsum(part) for part in zip(*sums, strict=True))
    level = ordered[0] == ordered[-1]
    return {
        "mean": mean,
        "sd": math.sqrt(second / n),
        "mad": absolute / n,
        "rms": math.sqrt(energy / n),
        "energy": energy,
        "skewness": 0.0 if level else third / n / (second / n) ** 1.5,
        "kurtosis": 0.0 if level else n * fourth / second**2 - 3,
    }


def _robust(ordered: np.ndarray, ranks: dict[str, float]) -> float:
    """Mean absolute deviation of the values from the 10th to the 90th percentile from their mean."""
    limits = np.array([ranks["p10"], math.nextafter(ranks["p90"], math.inf)])
    first, past = places(ordered, limits)
    inner = ordered[first:past]
    if not inner.size:  # all values lie outside: two values, say
        return math.nan
    mean = _mean(inner)
    return math.fsum(float(np.abs(block - mean).sum()) for block in _blocks(inner)) / inner.size


def _mean(ordered: np.ndarray) -> float:
    """Exactly the value of all where all are equal."""
    if ordered[0] == ordered[-1]:
        return float(ordered[0])
    return math.fsum(float(block.sum()) for block in _blocks(ordered)) / ordered.size


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """Some values at a time as float64."""
    for start in range(0, values.size, BLOCK):
        yield values[start : start + BLOCK].astype(np.float64)


def _percentile(ordered: np.ndarray, percent: float) -> float:
    """A percentile of values in ascending order, linear between ranks as numpy's."""
    rank = (ordered.size - 1) * percent / 100
    below, above = float(ordered[math.floor(rank)]), float(ordered[math.ceil(rank)])
    return below + (above - below) * (rank - math.floor(rank))
