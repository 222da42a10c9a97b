"""How spacing, size, intensities, labels and acquisition are distributed over the cases, as plots."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medseg.datasets.inspection import CaseFacts, Inspection
from medseg.outputs.plots import COLOURS, INK, MANY, MOST_BARS, Chart, bars, extent, histogram, rounded, strips, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["charts"]

_AXES = "xyz"
_MOST_COLUMNS = 12
_MOST_CHANNELS = 4
_LONGEST = 40  # characters of a value that is worth a bar; longer ones are remarks and addresses
_WIDE_RANGE = 100  # times the median's spread over the cases, from which on the scale is logarithmic
# What subgroups are made of comes first.
_ACQUISITION = ("manufacturer", "model", "scanner", "site", "institution", "sex", "age", "view", "position", "kvp",
                "phase", "contrast", "laterality", "density", "date", "diagnosis", "finding")  # fmt: skip


def charts(inspection: Inspection) -> Iterator[Chart]:
    """Every distribution that says something: one without spread or without values is not drawn."""
    facts = [one for one in inspection.facts if one.geometry is not None]
    yield from _spacing(facts)
    yield from strips(_by_axis([one.geometry.shape for one in facts if one.geometry]), "Size", "voxels along the axis")
    for channel in range(min(_MOST_CHANNELS, max((len(one.intensities) for one in facts), default=0))):
        yield from _intensities(facts, channel, inspection.dataset.channels)
    yield from _labels(facts)
    yield from bars(Counter(one.case.split for one in inspection.facts if one.case.split), "Cases in each split")
    patients = Counter(Counter(one.case.patient for one in inspection.facts if one.case.patient).values())
    yield from bars({f"{n}": count for n, count in sorted(patients.items())}, "Cases of one patient", "patients")
    yield from _columns(inspection.facts)


def _spacing(facts: Sequence[CaseFacts]) -> Iterator[Chart]:
    known = [one.geometry.step for one in facts if one.geometry and one.geometry.spacing_known]
    yield from strips(_by_axis(known), "Spacing", "mm")


def _by_axis(rows: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    return {
        _AXES[axis]: values for axis in range(3) if (values := [float(row[axis]) for row in rows if len(row) > axis])
    }


def _labels(facts: Sequence[CaseFacts]) -> Iterator[Chart]:
    rows: dict[str, list[float]] = {}
    for one in facts:
        for name, voxels in one.label_voxels.items():
            if voxels:
                rows.setdefault(name, []).append(voxels)
    yield from strips(dict(list(rows.items())[:30]), "Voxels of each label, in cases that have it", "voxels", log=True)


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
            axes.fill_between(place, table[:, inner], table[:, -1 - inner], color=COLOURS[0], alpha=0.22, linewidth=0,
                              step="mid" if len(table) < MANY else None)  # fmt: skip
        axes.plot(place, table[:, half], color=INK, linewidth=1.3, drawstyle="steps-mid")
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
            axes.plot((edges[1:] + edges[:-1]) / 2, density, color=COLOURS[0], alpha=opacity, linewidth=0.9,
                      rasterized=len(found) > MANY)  # fmt: skip
        low, high = np.median(table[:, 0]), np.median(table[:, -1])
        room = 0.25 * (high - low) or 1
        axes.set_xlim(max(low - room, min(one.minimum for one in found)),
                      min(high + room, max(one.maximum for one in found)))  # fmt: skip
        # the peak of a black background would flatten all else
        axes.set_ylim(0, 1.15 * float(np.percentile(peaks, 95)) or None)
        axes.set(xlabel="intensity", yticks=[], ylabel="share of voxels")

    middle = table[:, table.shape[1] // 2]
    said = f"medians of the cases: {extent(middle.tolist())}; 1st to 99th percentile from {rounded(table[:, 0].min())}"
    yield Chart(title, svg([percentiles, histograms], 2.9, 9.6), f"{said} to {rounded(table[:, -1].max())}", wide=True)


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
        if len(numbers) == len(found) and different > MOST_BARS:
            yield from histogram(numbers, title)
        elif different <= max(MOST_BARS, len(found) // 3):
            yield from bars(dict(Counter(found).most_common()), title)
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
