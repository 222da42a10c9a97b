"""Draws a leaderboard: the patients of each model as a strip with mean and interval, label by label."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.atomic import atomic_path
from medseg.evaluation.columns import METRICS
from medseg.evaluation.leaderboard import Leaderboard
from medseg.outputs.evaluation_page import METRIC_NAMES
from medseg.outputs.plots import COLOURS, INK, MANY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_leaderboard", "write_leaderboard_plot"]

_MOST_LABELS = 8  # panels below each other; the table has all
_SHARES = frozenset(name for name in METRICS if not name.startswith(("hd", "assd", "masd", "false", "mcc", "kappa")))


def write_leaderboard_plot(path: str | Path, board: Leaderboard) -> None:
    """Write it as PNG.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        draw_leaderboard(board).savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def draw_leaderboard(board: Leaderboard) -> "Figure":
    """A panel a label and metric, a row a model, the best above: a point a patient, the mean and its interval."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = list(dict.fromkeys(board.table["metric"]))
    labels = list(dict.fromkeys(board.table["label"]))[:_MOST_LABELS]
    height = 0.75 + 0.36 * len(board.models)
    widest = 0.075 * max(len(_short(name)) for name in board.models)
    size = ((4.6 + widest) * len(metrics), max(2.0, height * len(labels)))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(board.models)}
    for across, metric in enumerate(metrics):
        for down, label in enumerate(labels):
            axes = figure.add_subplot(len(labels), len(metrics), down * len(metrics) + across + 1)
            rows = board.table[(board.table["metric"] == metric) & (board.table["label"] == label)]
            if rows.empty:  # a label may have this score in no case
                axes.set_axis_off()
                continue
            values = board.values[(board.values["metric"] == metric) & (board.values["label"] == label)]
            _panel(axes, rows, values, colours)
            axes.set_title(_short(label), fontsize=9, loc="left")
            if metric in _SHARES:
                axes.set_xlim(-0.02, 1.02)
            if down == len(labels) - 1:
                axes.set_xlabel(f"{METRIC_NAMES.get(metric, metric)}, mean of each patient")
    return figure


def _panel(axes: "Axes", rows: "pd.DataFrame", values: "pd.DataFrame", colours: dict[str, str]) -> None:
    for place, row in enumerate(rows.to_dict("records")):
        own = values[values["model"] == row["model"]].groupby("patient")["value"].mean().to_numpy(float)
        jitter = -place + np.random.default_rng(0).uniform(-0.26, 0.26, len(own))
        axes.plot(own, jitter, ".", color=colours[str(row["model"])], alpha=0.55 if len(own) < MANY else 0.3,
                  markersize=6, markeredgewidth=0)  # fmt: skip
        axes.plot([row["low"], row["high"]], [-place, -place], color=INK, linewidth=2, solid_capstyle="butt")
        axes.plot([row["mean"]], [-place], marker="D", color="white", markeredgecolor=INK, markersize=5)
    names = [f"{row['rank']}  {_short(str(row['model']))}" for row in rows.to_dict("records")]
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.set_ylim(0.6 - len(names), 0.6)
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    # a dollar sign would begin a formula
    return (name if len(name) <= 28 else name[:27] + "…").replace("$", r"\$")
