"""The lesions of a patient at all time points side by side, each at the same place and scale, with RECIST lines."""

import base64
import html
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.followup import Followed
from medseg.outputs.followup_views import Panel, panels_of
from medseg.picture import display_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["followup_sheet", "html_picture"]

_MOST_TRACKS, _MOST_TIMES = 12, 6
_ROWS = 4  # from which on lesions stand beside one another
_ROLES = ("target", "new", "non-target", "normal node")  # in the order in which they are shown
_LONGEST, _ACROSS, _OUTLINE = "#00d5ff", "#ffd400", "#ff4d4d"


def followup_sheet(found: Followed) -> bytes:
    """The picture as PNG: each lesion (targets first, then new ones, the largest first) at all times side by side.

    Of more than six time points the first and the last five are shown, of more than twelve lesions the first twelve.
    Empty where there is no mask to draw.

    Args:
        found: What `follow` gives.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = found.found.points
    numbers = _chosen(found)
    if points[0].segmentation is None or not numbers:
        return b""
    times = [*range(len(points))]
    times = times if len(times) <= _MOST_TIMES else [0, *times[1 - _MOST_TIMES :]]
    beside = max(1, min(math.ceil(len(numbers) / _ROWS), _MOST_TIMES // len(times)))  # lesions in a row
    rows = math.ceil(len(numbers) / beside)
    figure = Figure(figsize=(2.9 * len(times) * beside, 3.35 * rows + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    panes = figure.subplots(rows, beside * len(times), squeeze=False).reshape(rows * beside, len(times))
    table = found.tracks.set_index(["track", "time"])
    for axes in panes.flat:
        axes.set_axis_off()
    for pane, number in zip(panes, numbers, strict=False):
        panels = panels_of(found.found.tracks[number - 1], found.found)
        windows = _windows(panels, found)
        for axes, time in zip(pane, times, strict=True):
            _draw(axes, panels[time], windows[time])
            axes.set_title(_caption(number, table.loc[(number, time)], time), fontsize=8)
    left_out = len(found.found.tracks) - len(numbers)
    figure.suptitle(
        "   →   ".join(f"{points[time].name} {points[time].date or ''}".strip() for time in times)
        + (f"\n{left_out} more lesion(s) not shown" if left_out else ""),
        fontsize=10,
    )
    return _png(figure)


def html_picture(name: str, png: bytes) -> str:
    """A picture inside a page."""
    encoded, said = base64.b64encode(png).decode(), html.escape(name)
    return f'<figure><img alt="{said}" src="data:image/png;base64,{encoded}"><figcaption>{said}</figcaption></figure>'


def _chosen(found: Followed) -> list[int]:
    table = found.tracks.groupby("track", sort=False).agg({"role": "first", "longest_axial_mm": "max"})
    rank = table["role"].map(_ROLES.index)
    ordered = table.assign(rank=rank).sort_values(["rank", "longest_axial_mm"], ascending=[True, False], kind="stable")
    return [int(number) for number in ordered.index[:_MOST_TRACKS]]


def _windows(panels: list[Panel | None], found: Followed) -> list[tuple[float, float]]:
    """Values of black and white: the same at all times where values have a unit (HU, SUV), else each its own."""
    greys = [None if panel is None else panel.grey for panel in panels]
    units = {point.image.unit for point in found.found.points if point.image is not None}
    own = [(0.0, 1.0) if grey is None else display_range(grey) for grey in greys]
    if len(units) == 1 and units != {""}:
        drawn = [window for window, grey in zip(own, greys, strict=True) if grey is not None]
        return [(min(low for low, _ in drawn), max(high for _, high in drawn))] * len(own) if drawn else own
    return own


def _draw(axes: "Axes", panel: Panel | None, window: tuple[float, float]) -> None:
    if panel is None:
        axes.text(0.5, 0.5, "nothing known", ha="center", va="center", transform=axes.transAxes, fontsize=9)
        return
    left, right, low, high = panel.extent
    grey = np.zeros(panel.inside.shape) if panel.grey is None and panel.inside is not None else panel.grey
    if grey is not None:
        axes.imshow(grey.T, cmap="gray", vmin=window[0], vmax=window[1], origin="lower", extent=panel.extent)
    if panel.inside is not None and panel.inside.max() > 0.5 > panel.inside.min():
        axes.contour(panel.inside.T, [0.5], colors=[_OUTLINE], linewidths=1, origin="lower", extent=panel.extent)
    for longest, across in panel.lines:
        axes.plot(longest[:, 0], longest[:, 1], color=_LONGEST, linewidth=1.4)
        axes.plot(across[:, 0], across[:, 1], color=_ACROSS, linewidth=1.4)
    bar = 10.0 ** math.floor(math.log10(right))
    axes.plot([left * 0.92, left * 0.92 + bar], [low * 0.92] * 2, color="white", linewidth=2)
    axes.text(left * 0.92, low * 0.88, f"{bar:g} mm", color="white", fontsize=7, va="bottom")
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")


def _caption(number: int, row: Any, time: int) -> str:
    first = f"{number}: {row['label']} ({row['role']}), {row['state']}"
    if not row["members"]:
        return f"{first}\n \n "
    sizes = f"{row['longest_axial_mm']:.1f} × {row['perpendicular_mm']:.1f} mm{_percent(row, 'longest_axial', time)}"
    volume = "" if np.isnan(row["volume_ml"]) else f"{row['volume_ml']:.3g} ml{_percent(row, 'volume', time)}"
    parts = f" in {row['members']} parts" if row["members"] > 1 else ""
    return f"{first}\n{sizes}{parts}\n{volume}"


def _percent(row: Any, name: str, time: int) -> str:
    value = row[f"{name}_change_percent"]
    return "" if not time or np.isnan(value) else f" ({value:+.0f}%)"


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
