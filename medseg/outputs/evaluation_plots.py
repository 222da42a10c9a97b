"""Draws an evaluation as PNG files: scores by label, Bland–Altman plots, FROC and reliability curves."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.atomic import atomic_path
from medseg.evaluation.detection import FROC_RATES, Detection
from medseg.evaluation.evaluation import Evaluation
from medseg.outputs.plots import COLOURS, INK, MANY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "SHOWN", "UNITS", "draw_agreement", "draw_calibration", "draw_froc", "draw_scores", "size_text", "write_plots",
]  # fmt: skip

SHOWN = (("dice", "Dice"), ("hd95_mm", "HD95 (mm)"), ("hd95_px", "HD95 (pixels)"), ("nsd", "NSD"), ("nsd_px", "NSD"))
_MOST = 12  # labels with a plot of their own; more would be a wall
UNITS = {"ml": "ml", "mm2": "mm²", "voxels": "voxels"}


def write_plots(folder: str | Path, evaluation: Evaluation) -> list[Path]:
    """Write `scores.png`, `bland_altman.png`, `froc.png` and `reliability.png`: those there is something to draw for.

    Raises:
        OutputError: A file cannot be written.
    """
    written = []
    for name, draw in _PLOTS.items():
        figure = draw(evaluation)
        if figure is None:
            continue
        written.append(Path(folder) / name)
        with atomic_path(written[-1]) as temporary:
            figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
    return written


def draw_scores(evaluation: Evaluation) -> "Figure | None":
    """A row a label: a point a case, median and quartiles, and above them the mean with its interval by patient.

    A plot each for Dice, HD95 and NSD.
    """
    cases = evaluation.cases
    labels = list(dict.fromkeys(cases["label"]))
    shown = [(name, title) for name, title in SHOWN if cases[name].notna().any()]
    if not shown:
        return None
    figure, axes = _figure(1, len(shown), 4.2, 1.0 + 0.38 * len(labels), sharey=True)
    for one, (name, title) in zip(axes, shown, strict=True):
        for place, label in enumerate(labels):
            _strip(one, cases[cases["label"] == label][name].dropna().to_numpy(), place)
            _mean(one, evaluation, label, name, place)
        one.set(xlabel=title, ylim=(0.6 - len(labels), 0.6))
        if not name.startswith("hd95"):
            one.set_xlim(-0.02, 1.02)
        one.grid(axis="x", alpha=0.25)
    axes[0].set_yticks([-place for place in range(len(labels))], [_short(label) for label in labels])
    return figure


def draw_agreement(evaluation: Evaluation) -> "Figure | None":
    """A Bland–Altman plot a label: difference over mean of predicted and reference size, bias and limits with bands."""
    rows = [row for row in evaluation.agreement if row["n"] > 1][:_MOST]
    if not rows:
        return None
    columns = min(3, len(rows))
    figure, axes = _figure(math.ceil(len(rows) / columns), columns, 4.6, 3.6)
    for one, row in zip(axes, rows, strict=False):
        _bland_altman(one, row, evaluation)
    _blank(axes[len(rows) :])
    return figure


def draw_froc(evaluation: Evaluation) -> "Figure | None":
    """Sensitivity over false positives a case, a line a label."""
    found = [one for one in evaluation.detection if len(one.thresholds) and one.lesions][:_MOST]
    if not found:
        return None
    figure, (axes,) = _figure(1, 1, 5.4, 4.0)
    most = max(float(one.false.max()) / one.cases for one in found)
    for place, one in enumerate(found):
        _froc(axes, one, place, max(FROC_RATES[-1], most))
    axes.set_xscale("symlog", base=2, linthresh=FROC_RATES[0])
    ticks = [rate for rate in FROC_RATES if rate <= max(1.0, most * 2)]
    axes.set_xticks([0, *ticks], ["0", *(f"{rate:g}" if rate >= 1 else f"1/{1 / rate:g}" for rate in ticks)])
    axes.set(
        xlabel="false positives a case", ylabel="lesion sensitivity", ylim=(-0.02, 1.02), xlim=(-0.01, ticks[-1] * 1.1)
    )
    axes.grid(alpha=0.25)
    axes.legend(loc="best", fontsize=8)
    return figure


def draw_calibration(evaluation: Evaluation) -> "Figure | None":
    """Observed share over mean probability, a line a label, of the voxels that the model held possible."""
    found = {label: one for (label, scope), one in evaluation.reliability.items() if scope == "possible" and one.n}
    if not found:
        return None
    figure, (axes,) = _figure(1, 1, 4.8, 4.4)
    axes.plot([0, 1], [0, 1], color="#99a", linewidth=1, linestyle="--", label="perfect")
    for place, (label, one) in enumerate(list(found.items())[:_MOST]):
        filled = one.voxels > 0
        sides = one.probability[filled] / one.voxels[filled], one.true[filled] / one.voxels[filled]
        text = f"{_short(label)}: ECE {one.ece:.3f}, Brier {one.brier:.3f}"
        axes.plot(*sides, marker="o", markersize=4, color=COLOURS[place % len(COLOURS)], label=text)
    axes.set(xlabel="mean probability", ylabel="observed share", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_title("Voxels with p ≥ 0.01", fontsize=9)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", fontsize=8)
    return figure


_PLOTS: dict[str, Callable[[Evaluation], "Figure | None"]] = {
    "scores.png": draw_scores,
    "bland_altman.png": draw_agreement,
    "froc.png": draw_froc,
    "reliability.png": draw_calibration,
}


def _strip(axes: "Axes", values: np.ndarray, place: int) -> None:
    if not len(values):
        return
    across = -place + np.random.default_rng(0).uniform(-0.25, 0.25, len(values))
    axes.plot(values, across, ".", color=COLOURS[place % len(COLOURS)], alpha=0.6 if len(values) < MANY else 0.3,
              markersize=6, markeredgewidth=0)  # fmt: skip
    low, middle, high = np.percentile(values, [25, 50, 75])
    axes.plot([low, high], [-place, -place], color=INK, linewidth=1.4, solid_capstyle="butt")
    axes.plot([middle], [-place], marker="|", color=INK, markersize=13, markeredgewidth=2)


def _mean(axes: "Axes", evaluation: Evaluation, label: str, metric: str, place: int) -> None:
    summary = evaluation.summary
    (row,) = summary[(summary["label"] == label) & (summary["metric"] == metric)].to_dict("records")
    above = 0.36 - place
    axes.plot([row["low"], row["high"]], [above, above], color=INK, linewidth=1)
    axes.plot([row["mean"]], [above], marker="D", color="white", markeredgecolor=INK, markersize=4)


def _bland_altman(axes: "Axes", row: dict[str, Any], evaluation: Evaluation) -> None:
    volumes = evaluation.volumes
    own = volumes[(volumes["label"] == row["label"]) & (volumes["unit"] == row["unit"])]
    axes.plot(own["mean"], own["difference"], ".", color=COLOURS[0], alpha=0.7, markersize=7, markeredgewidth=0)
    for name, style, text in (("upper", "--", "+1.96 sd"), ("bias", "-", "bias"), ("lower", "--", "-1.96 sd")):
        line = row[name]
        axes.axhline(line["value"], color=INK, linewidth=1.2, linestyle=style)
        axes.axhspan(line["low"], line["high"], color="#99a", alpha=0.18, linewidth=0)
        said = f"{text} {size_text(line['value'])}"
        axes.annotate(said, (1, line["value"]), (-3, 2), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", fontsize=7, color=INK)  # fmt: skip
    unit = UNITS[row["unit"]]
    axes.set(xlabel=f"mean of both ({unit})", ylabel=f"predicted - reference ({unit})")
    axes.locator_params(axis="x", nbins=6)
    figures = f"n {row['n']}, ICC {row['icc_2_1']['value']:.3f}, CCC {row['ccc']['value']:.3f}"
    axes.set_title(f"{_short(row['label'])}: {figures}", fontsize=9)
    axes.grid(alpha=0.2)


def _froc(axes: "Axes", one: Detection, place: int, end: float) -> None:
    curve = one.curve
    across = [0.0, *curve["fp_per_case"], end]
    up = [0.0, *curve["sensitivity"], float(curve["sensitivity"].iloc[-1])]
    text = f"{_short(one.label)}: AP {one.average_precision:.3f}, FROC {one.froc_score:.3f} ({one.lesions} lesions)"
    axes.step(across, up, where="post", color=COLOURS[place % len(COLOURS)], label=text)
    axes.plot(curve["fp_per_case"].iloc[-1:], curve["sensitivity"].iloc[-1:], "o", markersize=5,
              color=COLOURS[place % len(COLOURS)])  # fmt: skip


def _figure(rows: int, columns: int, width: float, height: float, **how: Any) -> "tuple[Figure, Sequence[Axes]]":
    """A figure made without pyplot's global state, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, max(2.0, height * rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Sequence[Axes] = list(np.ravel(figure.subplots(rows, columns, **how)))
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _blank(axes: Sequence["Axes"]) -> None:
    for one in axes:
        one.set_axis_off()


def size_text(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _short(name: str) -> str:
    # a dollar sign would begin a formula
    return (name if len(name) <= 24 else name[:23] + "…").replace("$", r"\$")
