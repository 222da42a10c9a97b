"""How spacing, size, intensities, labels and acquisition are distributed over the cases, as SVG pictures."""

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.datasets.inspection import CaseFacts, Inspection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Chart", "charts"]

_AXES = "xyz"
_COLOURS = ("#4269d0", "#ff725c", "#3ca951", "#a463f2", "#efb118", "#6cc5b0", "#9c6b4e", "#97bbf5")
_INK = "#334"
_MOST_BARS = 12
_MOST_COLUMNS = 12
_MOST_CHANNELS = 4
_LONGEST = 40  # characters of a value that is worth a bar; longer ones are remarks and addresses
_WIDE_RANGE = 100  # times the median's spread over the cases, from which on the scale is logarithmic
# What subgroups are made of comes first.
_ACQUISITION = ("manufacturer", "model", "scanner", "site", "institution", "sex", "age", "view", "position", "kvp",
                "phase", "contrast", "laterality", "density", "date", "diagnosis", "finding")  # fmt: skip
_MANY = 150  # cases from which on points and lines are drawn as pixels, so that the picture stays small
Draw = Callable[["Axes"], None]


@dataclass(frozen=True)
class Chart:
    """A picture of a distribution.

    Args:
        title: What is distributed.
        svg: The picture, complete in itself.
        said: The same in words, for those who do not see it.
        wide: Whether it takes two columns.
    """

    title: str
    svg: bytes
    said: str
    wide: bool = False


def charts(inspection: Inspection) -> Iterator[Chart]:
    """Every distribution that says something: one without spread or without values is not drawn."""
    facts = [one for one in inspection.facts if one.geometry is not None]
    yield from _spacing(facts)
    yield from _strips(_by_axis([one.geometry.shape for one in facts if one.geometry]), "Size", "voxels along the axis")
    for channel in range(min(_MOST_CHANNELS, max((len(one.intensities) for one in facts), default=0))):
        yield from _intensities(facts, channel, inspection.dataset.channels)
    yield from _labels(facts)
    yield from _bars(Counter(one.case.split for one in inspection.facts if one.case.split), "Cases in each split")
    patients = Counter(Counter(one.case.patient for one in inspection.facts if one.case.patient).values())
    yield from _bars({f"{n}": count for n, count in sorted(patients.items())}, "Cases of one patient", "patients")
    yield from _columns(inspection.facts)


def _spacing(facts: Sequence[CaseFacts]) -> Iterator[Chart]:
    known = [one.geometry.step for one in facts if one.geometry and one.geometry.spacing_known]
    yield from _strips(_by_axis(known), "Spacing", "mm")


def _by_axis(rows: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    return {
        _AXES[axis]: values for axis in range(3) if (values := [float(row[axis]) for row in rows if len(row) > axis])
    }


def _strips(rows: Mapping[str, Sequence[float]], title: str, unit: str, log: bool = False) -> Iterator[Chart]:
    """A line of points for each name: a case each, with the median and the quartiles marked."""
    if not any(min(values) < max(values) for values in rows.values()):
        return

    def draw(axes: "Axes") -> None:
        rng = np.random.default_rng(0)
        for place, (name, values) in enumerate(rows.items()):
            colour = _COLOURS[place % len(_COLOURS)]
            across = -place + rng.uniform(-0.28, 0.28, len(values))
            axes.plot(values, across, ".", color=colour, alpha=0.6 if len(values) < _MANY else 0.4, markersize=6,
                      markeredgewidth=0, label=name, rasterized=len(values) > _MANY)  # fmt: skip
            low, middle, high = np.percentile(values, [25, 50, 75])
            axes.plot([low, high], [-place, -place], color=_INK, linewidth=1.4, solid_capstyle="butt")
            axes.plot([middle], [-place], marker="|", color=_INK, markersize=13, markeredgewidth=2)
        axes.set_yticks([-place for place in range(len(rows))], [_short(name) for name in rows])
        axes.set_ylim(0.6 - len(rows), 0.6)
        axes.set_xlabel(unit)
        if log:
            axes.set_xscale("log")
        axes.grid(axis="x", alpha=0.25)

    said = "; ".join(f"{name}: {_range(values)} {unit}" for name, values in rows.items())
    yield Chart(title, _svg([draw], 0.8 + 0.42 * len(rows)), said)


def _labels(facts: Sequence[CaseFacts]) -> Iterator[Chart]:
    rows: dict[str, list[float]] = {}
    for one in facts:
        for name, voxels in one.label_voxels.items():
            if voxels:
                rows.setdefault(name, []).append(voxels)
    yield from _strips(dict(list(rows.items())[:30]), "Voxels of each label, in cases that have it", "voxels", log=True)


def _intensities(facts: Sequence[CaseFacts], channel: int, names: Sequence[str]) -> Iterator[Chart]:
    """Percentiles of each case, sorted by the median, beside the histograms of all of them."""
    found = [one.intensities[channel] for one in facts if len(one.intensities) > channel]
    found = [one for one in found if np.isfinite(one.maximum)]
    if len(found) < 2:
        return
    table = np.array(sorted(([one.percentiles[p] for p in sorted(one.percentiles)] for one in found), key=_middle))
    several = len(names) > 1
    title = f"Intensities of {names[channel]}" if several and channel < len(names) else "Intensities"

    def percentiles(axes: "Axes") -> None:
        place, half = np.arange(1, len(table) + 1), table.shape[1] // 2
        for inner in range(half):
            axes.fill_between(place, table[:, inner], table[:, -1 - inner], color=_COLOURS[0], alpha=0.22, linewidth=0,
                              step="mid" if len(table) < _MANY else None)  # fmt: skip
        axes.plot(place, table[:, half], color=_INK, linewidth=1.3, drawstyle="steps-mid")
        axes.set(xlabel="cases, by their median", ylabel="percentiles 1, 5, 25, 50, 75, 95, 99")
        axes.grid(axis="y", alpha=0.25)
        low, high = np.percentile(np.abs(table[:, half]), [10, 90])
        if high > _WIDE_RANGE * max(low, 1):
            axes.set_yscale("symlog", linthresh=max(low, 1))

    def histograms(axes: "Axes") -> None:
        peaks = []
        opacity = float(np.clip(12 / len(found), 0.03, 0.6))
        for one in found:
            edges = np.linspace(one.minimum, one.maximum, len(one.histogram) + 1)
            width = max(edges[1] - edges[0], np.finfo(float).tiny)
            density = np.array(one.histogram) / max(1, sum(one.histogram)) / width
            peaks.append(np.sort(density)[-3:][0])
            axes.plot((edges[1:] + edges[:-1]) / 2, density, color=_COLOURS[0], alpha=opacity, linewidth=0.9,
                      rasterized=len(found) > _MANY)  # fmt: skip
        low, high = np.median(table[:, 0]), np.median(table[:, -1])
        room = 0.25 * (high - low) or 1
        axes.set_xlim(max(low - room, min(one.minimum for one in found)),
                      min(high + room, max(one.maximum for one in found)))  # fmt: skip
        # the peak of a black background would flatten all else
        axes.set_ylim(0, 1.15 * float(np.percentile(peaks, 95)) or None)
        axes.set(xlabel="intensity", yticks=[], ylabel="share of voxels")

    middle = table[:, table.shape[1] // 2]
    said = f"medians of the cases: {_range(middle.tolist())}; 1st to 99th percentile from {_word(table[:, 0].min())}"
    yield Chart(title, _svg([percentiles, histograms], 2.9, 9.6), f"{said} to {_word(table[:, -1].max())}", wide=True)


def _middle(percentiles: Sequence[float]) -> float:
    return percentiles[len(percentiles) // 2]


def _columns(facts: Sequence[CaseFacts]) -> Iterator[Chart]:
    """What case table and headers say, where the cases differ in it but not all of them."""
    values: dict[str, list[str]] = {}
    for one in facts:
        for name, value in {**one.facts, **one.case.columns}.items():
            if value and len(str(value)) <= _LONGEST:
                values.setdefault(name, []).append(str(value))
    drawn = 0
    for name, found in sorted(values.items(), key=lambda pair: _rank(pair[0])):
        numbers = [number for text in found if (number := _number(text)) is not None]
        different = len(set(found))
        if drawn == _MOST_COLUMNS or different < 2:
            continue
        title = f"{name.replace('_', ' ').capitalize()} ({len(found)} cases)"
        if len(numbers) == len(found) and different > _MOST_BARS:
            yield from _histogram(numbers, title)
        elif different <= max(_MOST_BARS, len(found) // 3):
            yield from _bars(dict(Counter(found).most_common()), title)
        else:
            continue
        drawn += 1


def _rank(name: str) -> int:
    """The place of a column among the others."""
    words = name.casefold()
    return next((place for place, word in enumerate(_ACQUISITION) if word in words), len(_ACQUISITION))


def _number(text: str) -> float | None:
    """A number, or DICOM's age in years ("063Y")."""
    found = re.fullmatch(r"(-?\d{1,9}(?:\.\d{1,9})?)Y?", text.strip())
    return float(found[1]) if found else None


def _histogram(values: Sequence[float], title: str) -> Iterator[Chart]:
    def draw(axes: "Axes") -> None:
        axes.hist(values, bins=min(24, max(6, len(set(values)))), color=_COLOURS[0], alpha=0.85, rwidth=0.94)
        axes.set_ylabel("cases")

    yield Chart(title, _svg([draw], 2.0), _range(values))


def _bars(counts: Mapping[str, int], title: str, unit: str = "cases") -> Iterator[Chart]:
    if len(counts) < 2:
        return
    shown = dict(list(counts.items())[:_MOST_BARS])
    if len(counts) > len(shown):
        shown[f"{len(counts) - len(shown)} others"] = sum(counts.values()) - sum(shown.values())

    def draw(axes: "Axes") -> None:
        bars = axes.barh([-i for i in range(len(shown))], list(shown.values()), color=_COLOURS[0], alpha=0.85)
        axes.bar_label(bars, padding=3, color=_INK, fontsize=8)
        axes.set_yticks([-i for i in range(len(shown))], [_short(name) for name in shown])
        axes.set(xlabel=unit)
        axes.margins(x=0.12)

    yield Chart(title, _svg([draw], 0.7 + 0.26 * len(shown)), ", ".join(f"{k}: {v}" for k, v in shown.items()))


def _svg(draws: Sequence[Draw], height: float, width: float = 4.7) -> bytes:
    """Plots side by side; the same data gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": "medseg", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
        "axes.edgecolor": "#99a", "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, max(1.4, height)), layout="constrained")
        FigureCanvasSVG(figure)
        for axes, draw in zip(np.ravel(figure.subplots(1, len(draws))), draws, strict=True):
            draw(axes)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", dpi=110, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _short(name: str) -> str:
    # a dollar sign would begin a formula
    return (name if len(name) <= 24 else name[:23] + "…").replace("$", r"\$")


def _range(values: Sequence[float]) -> str:
    return f"{_word(min(values))} / {_word(float(np.median(values)))} / {_word(max(values))}"


def _word(value: float) -> str:
    return f"{value:.4g}"
