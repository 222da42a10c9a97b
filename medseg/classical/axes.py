"""Which options of each method are worth trying for a label, from what it looks like in the training cases."""

from collections.abc import Callable, Mapping
from typing import Any

from medseg.classical.facts import QUANTILES, LabelFacts

__all__ = ["Axes", "axes_of"]

Axes = dict[str, tuple[Any, ...]]
_FIT_VOXELS = 30_000  # of the slow methods' grid, in fitting and so in the model that comes of it
_CLASSES: Axes = {"classes": (2, 3, 4), "take": ((1,), (2,), (1, 2), (3,), (2, 3))}


def axes_of(method: str, facts: LabelFacts) -> Axes:
    """Values of each option, the likeliest first; those of numbers are refined between.

    Sides, percentiles and values come from the label's own voxels, lengths from its size and the voxels'.
    """
    channels = range(len(facts.values))
    # The channel in which the label stands out most comes first, and the others' values are tried on from there.
    best = max(channels, key=lambda channel: abs(facts.ranks[channel, QUANTILES.index(50)] - 50))
    step = facts.step
    common: Axes = {
        "smoothing_mm": tuple(float(f"{one:.4g}") for one in (facts.radius / 8, 0.0, facts.radius / 4, step)),
        "off_border": (False, True),
        "largest": (True, False),
        "fill_holes": (True, False),
    }
    if len(facts.values) > 1:
        common["channel"] = (best, *(one for one in channels if one != best))
    return _OWN[method](facts, best) | common


def _side(facts: LabelFacts, channel: int) -> Axes:
    return {"side": ("dark", "bright") if facts.dark[channel] else ("bright", "dark")}


def _values(facts: LabelFacts, channel: int, *quantiles: int) -> tuple[float, ...]:
    return tuple(float(facts.values[channel, QUANTILES.index(one)]) for one in quantiles)


def _towards(facts: LabelFacts, channel: int, *quantiles: int) -> tuple[float, ...]:
    """Percentiles of the image, counted towards the label's side, which so many percent of the label do not reach."""
    dark = facts.dark[channel]
    ranks = (facts.ranks[channel, QUANTILES.index(100 - one if dark else one)] for one in quantiles)
    return tuple(round(float(100 - rank if dark else rank), 3) for rank in ranks)


def _threshold(facts: LabelFacts, channel: int) -> Axes:
    return {
        "low": (*_values(facts, channel, 5, 1, 10, 25, 50), None),
        "high": (*_values(facts, channel, 95, 99, 90, 75, 50), None),
    }


def _percentile(facts: LabelFacts, channel: int) -> Axes:
    def at(*quantiles: int) -> tuple[float, ...]:
        return tuple(round(float(facts.ranks[channel, QUANTILES.index(one)]), 3) for one in quantiles)

    return {"low": (*at(5, 1, 10, 25, 50), 0.0), "high": (*at(95, 99, 90, 75, 50), 100.0)}


def _otsu(facts: LabelFacts, channel: int) -> Axes:
    return _side(facts, channel)


def _ranked(facts: LabelFacts, channel: int) -> Axes:
    return _side(facts, channel) | _CLASSES


def _hysteresis(facts: LabelFacts, channel: int) -> Axes:
    return {
        "low": _towards(facts, channel, 25, 10, 50),
        "high": _towards(facts, channel, 75, 90, 50),
    } | _side(facts, channel)


def _seeded(facts: LabelFacts, channel: int) -> Axes:
    return {"peak_mm": (facts.radius / 2, facts.radius / 4, facts.radius), "peaks": (1, 2, 3)} | _side(facts, channel)


def _connected(facts: LabelFacts, channel: int) -> Axes:
    return {"tolerance": (0.2, 0.1, 0.3, 0.4)} | _seeded(facts, channel)


def _confidence(facts: LabelFacts, channel: int) -> Axes:
    return {"multiplier": (2.5, 1.5, 2.0, 3.0)} | _seeded(facts, channel)


def _edges(facts: LabelFacts, channel: int) -> Axes:
    step = facts.step
    return {
        "sigma_mm": (2 * step, 4 * step, step),
        "high": (0.8, 0.5, 1.0),
        "low": (0.3, 0.1),
        "close_mm": (2 * step, 4 * step, 8 * step),
        "detector": ("canny", "gradient"),
    } | _side(facts, channel)


def _markers(facts: LabelFacts, channel: int) -> Axes:
    return {
        "inside": _towards(facts, channel, 50, 75, 90),
        "outside": _towards(facts, channel, 10, 1, 5, 25),
    } | _side(facts, channel)


def _watershed(facts: LabelFacts, channel: int) -> Axes:
    return _markers(facts, channel) | {"sigma_mm": (2 * facts.step, facts.step, 4 * facts.step)}


def _random_walker(facts: LabelFacts, channel: int) -> Axes:
    return _markers(facts, channel) | {"beta": (130.0, 30.0, 500.0), "max_voxels": (_FIT_VOXELS,)}


def _contour(facts: LabelFacts, channel: int) -> Axes:
    start = tuple(min(max(one, 1.0), 99.0) for one in _towards(facts, channel, 25, 50))
    return {"start": (None, *start), "max_voxels": (_FIT_VOXELS,)} | _side(facts, channel)


def _chan_vese(facts: LabelFacts, channel: int) -> Axes:
    return _contour(facts, channel) | {"weight": (1.0, 0.5, 2.0), "smoothness": (1, 3), "iterations": (20,)}


def _geodesic(facts: LabelFacts, channel: int) -> Axes:
    sigma = (2 * facts.step, facts.step, 4 * facts.step)
    return _contour(facts, channel) | {"balloon": (0, 1, -1), "sigma_mm": sigma, "iterations": (20, 40)}


_OWN: Mapping[str, Callable[[LabelFacts, int], Axes]] = {
    "threshold": _threshold,
    "percentile": _percentile,
    "otsu": _otsu,
    "multi_otsu": _ranked,
    "hysteresis": _hysteresis,
    "connected": _connected,
    "confidence_connected": _confidence,
    "edges": _edges,
    "watershed": _watershed,
    "chan_vese": _chan_vese,
    "geodesic": _geodesic,
    "random_walker": _random_walker,
    "kmeans": _ranked,
    "gmm": _ranked,
}
