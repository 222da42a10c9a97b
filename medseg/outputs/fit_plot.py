"""How the options of a classical method were found: Dice against each option that was searched."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.atomic import atomic_path

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_fit", "write_fit_plot"]

_FACTS = ("method", "label", "stage", "dice", "n")
_MOST = 9  # panels of options
_ACROSS = 4


def write_fit_plot(path: str | Path, table: "pd.DataFrame", method: str) -> None:
    """Write Dice by method, and Dice against the options of one, as PNG.

    Args:
        path: The file.
        table: A row a candidate: method, label, stage ("coarse", "fine", "all"), dice, n, and the options.
        method: Whose options are drawn.

    Raises:
        OutputError: The file cannot be written.
    """
    figure = draw_fit(table, method)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def draw_fit(table: "pd.DataFrame", method: str) -> "Figure":
    """The same as a matplotlib figure, made without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own = table[table["method"] == method]
    varied = [str(name) for name in own.columns if name not in _FACTS and own[name].astype(str).nunique() > 1][:_MOST]
    panels = 1 + len(varied)
    down = -(-panels // _ACROSS)
    figure = Figure(figsize=(3.6 * min(panels, _ACROSS), 3.4 * down), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, min(panels, _ACROSS), squeeze=False).ravel()
    _methods(axes[0], table)
    for one, name in zip(axes[1:], varied, strict=False):
        _option(one, own, name)
    for one in axes[panels:]:
        one.set_axis_off()
    if varied:
        axes[1].legend(fontsize=8)
    figure.suptitle(f"Fit of {method}: training Dice of every candidate")
    return figure


def _methods(axes: "Axes", table: "pd.DataFrame") -> None:
    """The final Dice of each method, the best on top."""
    final = table[table["stage"] == "all"].groupby("method")["dice"].mean().sort_values(na_position="first")
    axes.barh([str(name) for name in final.index], final.fillna(0), color="tab:grey")
    for place, value in enumerate(final):
        axes.annotate(
            f"{value:.3f}", (0.02, place), va="center", fontsize=8, color="white" if value > 0.25 else "black"
        )
    axes.set(title="All training cases", xlabel="Dice", xlim=(0, 1))


def _option(axes: "Axes", own: "pd.DataFrame", name: str) -> None:
    """Dice against one option: numbers on an axis, words side by side; the kept value has a ring."""
    words = own[name].map(lambda one: "none" if one is None or one != one else one)
    numbers = [isinstance(one, (int, float)) and not isinstance(one, bool) for one in words]
    numeric = all(number or one == "none" for number, one in zip(numbers, words, strict=True)) and any(numbers)
    listed = sorted({str(one) for one in words})
    known = [float(one) for one, number in zip(words, numbers, strict=True) if number]
    # Where an option may also be left out, that stands to the left of all numbers.
    left = min(known) - 0.15 * (max(known) - min(known) or 1.0) if known else 0.0
    places = [(float(one) if one != "none" else left) if numeric else listed.index(str(one)) for one in words]
    at = dict(zip(own.index, places, strict=True))
    for place, (label, rows) in enumerate(own.groupby("label", sort=False)):
        colour = f"C{place}"
        for stage, shown in rows.groupby("stage"):
            ring = stage == "all"
            axes.scatter(
                [at[row] for row in shown.index],
                shown["dice"].to_numpy(dtype=float),
                s=90 if ring else 14,
                facecolors="none" if ring else colour,
                edgecolors=colour,
                alpha=1.0 if ring else 0.35 if stage == "coarse" else 0.8,
                label=f"{label}, kept (all cases)" if ring else f"{label}, {stage}",
            )
    axes.set(title=name, ylim=(-0.02, 1))
    axes.grid(alpha=0.3)
    if not numeric:
        axes.set_xticks(np.arange(len(listed)), listed, fontsize=8)
        axes.set_xlim(-0.5, len(listed) - 0.5)
    elif "none" in set(words):
        axes.axvline(left, color="grey", linewidth=0.5)
        axes.annotate("none", (left, 0), fontsize=8, rotation=90)
