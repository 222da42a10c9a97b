"""The classical methods by name: what each does, what it can be told, and what finds."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from medseg.classical import clusters, contours, edges, growing, markers, thresholds
from medseg.classical.options import Options
from medseg.classical.prepared import Found, Prepared
from medseg.config import check
from medseg.errors import ConfigError

__all__ = ["METHODS", "PREFIX", "Method", "checked_options", "method_named", "parameters_of"]

PREFIX = "classical:"


@dataclass(frozen=True)
class Method:
    """A classical method.

    Args:
        title: What it does, in a few words.
        source: The paper that it comes from.
        options: What it can be told.
        find: Does it.
        probabilities: Whether it has a probability of every voxel.
    """

    title: str
    source: str
    options: type[Options]
    find: Callable[[Prepared, Any], Found]
    probabilities: bool = False


METHODS: Mapping[str, Method] = {
    "threshold": Method(
        "a fixed band of intensities", "none: as old as the pictures", thresholds.Threshold, thresholds.threshold
    ),
    "percentile": Method(
        "a band of the image's own percentiles",
        "Doyle 1962, doi:10.1145/321119.321123 (p-tile)",
        thresholds.Percentile,
        thresholds.percentile,
    ),
    "otsu": Method(
        "one side of the threshold with the largest variance between both",
        "Otsu 1979, doi:10.1109/TSMC.1979.4310076",
        thresholds.Otsu,
        thresholds.otsu,
    ),
    "multi_otsu": Method(
        "classes between Otsu's several thresholds",
        "Liao 2001, A fast algorithm for multilevel thresholding, J Inf Sci Eng 17:713-727",
        thresholds.MultiOtsu,
        thresholds.multi_otsu,
    ),
    "hysteresis": Method(
        "what passes a loose threshold and is connected to what passes a strict one",
        "Canny 1986, doi:10.1109/TPAMI.1986.4767851",
        thresholds.Hysteresis,
        thresholds.hysteresis,
    ),
    "connected": Method(
        "what is connected to seeds within a band of intensities",
        "Adams 1994, doi:10.1109/34.295913 (region growing)",
        growing.Connected,
        growing.connected,
    ),
    "confidence_connected": Method(
        "what is connected to seeds within so many deviations of the region's own mean",
        "Yoo 2004, Insight into Images, doi:10.1201/b10657 (ITK)",
        growing.ConfidenceConnected,
        growing.confidence_connected,
    ),
    "edges": Method(
        "what closed edges enclose", "Canny 1986, doi:10.1109/TPAMI.1986.4767851", edges.Edges, edges.edges
    ),
    "watershed": Method(
        "basins of the gradient, flooded from sure voxels",
        "Meyer 1994, doi:10.1016/0165-1684(94)90060-4",
        markers.Watershed,
        markers.watershed,
    ),
    "chan_vese": Method(
        "a contour that parts two means, by morphology",
        "Chan 2001, doi:10.1109/83.902291; Márquez-Neila 2014, doi:10.1109/TPAMI.2013.106",
        contours.ChanVese,
        contours.chan_vese,
    ),
    "geodesic": Method(
        "a contour that is drawn to edges, by morphology",
        "Caselles 1997, doi:10.1023/A:1007979827043; Márquez-Neila 2014, doi:10.1109/TPAMI.2013.106",
        contours.Geodesic,
        contours.geodesic,
    ),
    "random_walker": Method(
        "voxels whence a random walker reaches sure inside sooner than sure outside",
        "Grady 2006, doi:10.1109/TPAMI.2006.233",
        markers.RandomWalker,
        markers.random_walker,
        probabilities=True,
    ),
    "kmeans": Method(
        "classes of intensities about k means",
        "Lloyd 1982, doi:10.1109/TIT.1982.1056489",
        clusters.KMeans,
        clusters.kmeans,
    ),
    "gmm": Method(
        "classes of intensities by a mixture of Gaussians",
        "Dempster 1977, doi:10.1111/j.2517-6161.1977.tb01600.x",
        clusters.Mixture,
        clusters.gmm,
        probabilities=True,
    ),
}


def method_named(name: str, where: str) -> Method:
    """A method.

    Raises:
        ConfigError: There is none of that name; the nearest one is suggested.
    """
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, n=1)
    mend = f"Did you mean {near[0]!r}?" if near else f"Choose one of {', '.join(METHODS)}."
    raise ConfigError(where, f"there is no classical method {name!r}" if name else "names no method", mend)


def checked_options(name: str, options: Mapping[str, Any]) -> Options:
    """Options of a method.

    Raises:
        ConfigError: There is no such method or option, or a value does not fit.
    """
    return check(method_named(name, PREFIX + name).options, options, PREFIX + name)


def parameters_of(name: str) -> dict[str, str]:
    """What a method can be told: each option with its default and meaning, its own options first."""
    fields = METHODS[name].options.model_fields
    order = sorted(fields, key=lambda option: option in Options.model_fields)
    return {option: f"{_shown(fields[option].default)}. {fields[option].description}" for option in order}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if value is None or isinstance(value, bool):
        return "none" if value is None else str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
