"""Learning curves of a training as one picture: loss, validation Dice of each label, learning rate."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.atomic import atomic_path

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_curves", "write_curves"]

_DICE = "val_dice"
_SMOOTH = 15  # epochs from which on a running mean is drawn over the loss


def write_curves(path: str | Path, history: "pd.DataFrame") -> None:
    """Write loss, validation Dice and learning rate over the epochs as PNG.

    Args:
        path: The file.
        history: One row an epoch: epoch, loss, learning_rate, and val_dice and val_dice_<label>, which are NaN
            or missing where an epoch was not validated. Columns it lacks are not drawn.

    Raises:
        OutputError: The file cannot be written.
    """
    figure = draw_curves(history)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def draw_curves(history: "pd.DataFrame") -> "Figure":
    """The same as a matplotlib figure, made without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3, sharex=True, width_ratios=(4, 4, 3))
    epochs = history["epoch"].to_numpy() if "epoch" in history else np.arange(1, len(history) + 1)
    _loss(left, epochs, history)
    _dice(middle, epochs, history)
    _rate(right, epochs, history)
    return figure


def _loss(axes: "Axes", epochs: np.ndarray, history: "pd.DataFrame") -> None:
    axes.set(title="Training", xlabel="epoch", ylabel="loss")
    axes.grid(alpha=0.3)
    if "loss" not in history:
        return
    loss = history["loss"]
    axes.plot(epochs, loss, color="tab:blue", alpha=0.45 if len(loss) >= _SMOOTH else 1, label="loss")
    if len(loss) >= _SMOOTH:
        mean = loss.rolling(_SMOOTH // 3, min_periods=1, center=True).mean()
        axes.plot(epochs, mean, color="tab:blue", label="running mean")
    axes.legend(loc="upper right")


def _rate(axes: "Axes", epochs: np.ndarray, history: "pd.DataFrame") -> None:
    axes.set(title="Learning rate", xlabel="epoch")
    axes.grid(alpha=0.3)
    if "learning_rate" in history:
        axes.plot(epochs, history["learning_rate"], color="tab:grey")
        axes.set_ylim(bottom=0)
        axes.ticklabel_format(axis="y", scilimits=(-2, 2))


def _dice(axes: "Axes", epochs: np.ndarray, history: "pd.DataFrame") -> None:
    axes.set(title="Validation", xlabel="epoch", ylabel="Dice", ylim=(0, 1))
    axes.grid(alpha=0.3)
    names = [str(name) for name in history.columns if str(name).startswith(_DICE)]
    for name in sorted(names, key=lambda name: name != _DICE):
        values = history[name].to_numpy(dtype=float)
        known = np.isfinite(values)
        if not known.any():
            continue
        mean = name == _DICE
        text = "mean of labels" if mean else name.removeprefix(f"{_DICE}_")
        axes.plot(epochs[known], values[known], marker=".", linewidth=2.2 if mean else 1.2, label=text,
                  color="black" if mean else None)  # fmt: skip
        if mean:
            best = int(np.nanargmax(values))
            axes.annotate(
                f"best {values[best]:.3f}", (epochs[best], values[best]), (0, 8), textcoords="offset points", ha="right"
            )
    if axes.lines:
        axes.legend(loc="lower right")
