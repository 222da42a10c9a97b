"""The sum of the target lesions' diameters over time, with the lines that RECIST 1.1 draws and the response."""

import io
from typing import TYPE_CHECKING

import numpy as np

from medseg.followup import Followed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["sum_chart"]

_COLOURS = {"CR": "tab:green", "PR": "tab:olive", "SD": "tab:blue", "PD": "tab:red"}


def sum_chart(found: Followed) -> bytes:
    """The chart as PNG.

    Args:
        found: What `follow` gives; at least one time point has a sum.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = found.responses
    dated = bool(table["days"].notna().all())
    at = table["days"].to_numpy(float) if dated else table["time"].to_numpy(float)
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _targets(axes, at, found)
    sums = table["sum_mm"].to_numpy(float)
    known = np.isfinite(sums)
    axes.plot(at[known], sums[known], color="black", marker="o", linewidth=2, label="sum of target diameters")
    base = sums[known][0]
    axes.axhline(0.7 * base, color="tab:olive", linestyle="--", linewidth=1, label="30% below baseline")
    _progression(axes, at, table)
    for place, total, response in zip(at, sums, table["response"], strict=True):
        height = total if np.isfinite(total) else 0.0
        if response:
            axes.annotate(response, (place, height), (0, 9), textcoords="offset points", ha="center", fontsize=9,
                          weight="bold", color=_COLOURS.get(response, "tab:gray"))  # fmt: skip
    names = [f"{name}\n{date}" if date else str(name) for name, date in zip(table["name"], table["date"], strict=True)]
    axes.set_xticks(at, names, fontsize=8)
    axes.set(ylabel="mm", ylim=(0, None), title="Sum of diameters and response (RECIST 1.1)")
    axes.margins(y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _targets(axes: "Axes", at: np.ndarray, found: Followed) -> None:
    """Each target's diameter (of nodes the short axis) as a thin line."""
    nodes = found.nodes
    targets = found.tracks[found.tracks["role"] == "target"]
    for number, of in targets.groupby("track", sort=True):
        label = str(of["label"].iloc[0])
        column = "perpendicular_mm" if label in nodes else "longest_axial_mm"
        axes.plot(at, of[column].to_numpy(float), marker=".", linewidth=1, alpha=0.6, label=f"{number}: {label}")


def _progression(axes: "Axes", at: np.ndarray, table: "pd.DataFrame") -> None:
    """From where on it is progression: 20% and 5 mm above the nadir."""
    nadir = table["nadir_mm"].to_numpy(float)
    known = np.isfinite(nadir)
    limit = np.maximum(1.2 * nadir, nadir + 5)
    axes.step(at[known], limit[known], where="mid", color="tab:red", linestyle="--", linewidth=1, label="progression")
    if known.sum() == 1:
        axes.plot(at[known], limit[known], color="tab:red", marker="_", markersize=14)
