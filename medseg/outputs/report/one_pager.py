"""A case on one page of A4 as PDF: three planes with contours and RECIST lines, regions, and what made the mask."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.atomic import atomic_path
from medseg.outputs.report.case_data import Opened, lines_of, places
from medseg.outputs.report.columns import cells, region_columns
from medseg.outputs.report.display import fitted, grey, shown_mask, value_range
from medseg.outputs.report.source import ReportCase, Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_one_pager", "write_one_pager"]

_MOST_VOXELS = 16 << 20
_MOST_ROWS = 13
_MOST_COLUMNS = 9
_MOST_LINES = 6  # above the picture
_MOST_NAMED = 12  # labels beside it
_COLOURS = {"longest": "#00d5ff", "perpendicular": "#ffd400"}
# name of the plane, the axes it shows to the left and up, what lies at its left and upper edge
_PLANES = (("axial", (0, 1), "RA"), ("coronal", (0, 2), "RS"), ("sagittal", (1, 2), "AS"))


def write_one_pager(path: Path, case: ReportCase, source: Source, opened: Opened | None) -> None:
    """Write the page; the same content gives the same bytes.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    figure = draw_one_pager(case, source, opened)
    buffer = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None, "Title": case.name})
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def draw_one_pager(case: ReportCase, source: Source, opened: Opened | None) -> "Figure":
    """The page as a matplotlib figure, made without pyplot's global state.

    Args:
        case: Its regions fill the table.
        source: Says what made the mask.
        opened: Image and mask; None where there is no picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.27, 11.69))
    figure.text(0.07, 0.955, _wrapped(case.name, 70), fontsize=15, va="top")
    figure.text(0.07, 0.925, _header(case, source, opened), fontsize=8, va="top", color="#445")
    if opened is not None:
        _draw_picture(figure, case, opened, source)
    _draw_table(figure, case)
    figure.text(0.07, 0.03, _footer(source), fontsize=7, va="bottom", color="#445")
    return figure


def _header(case: ReportCase, source: Source, opened: Opened | None) -> str:
    known = {"patient": case.patient, **case.columns}
    lines = ["; ".join(f"{name.replace('_', ' ')} {value}" for name, value in known.items() if value)]
    lines += [opened.image.geometry.describe() if opened else "no picture"]
    lines += [f"Warnings: {case.warnings}"] if case.warnings else []
    lines += [f"Failed: {case.error}"] if case.error else []
    return "\n".join("\n".join(_wrapped(line, 105) for line in lines if line).splitlines()[:_MOST_LINES])


def _footer(source: Source) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in source.run.get("versions", {}).items())
    model = f"Model {source.run.get('model_sha256', 'unknown')}"
    return "\n".join([model, _wrapped(versions, 140), "Not a medical device; the mask is computed: check it."])


def _wrapped(text: str, width: int, most: int = 2) -> str:
    # a dollar sign would begin a formula
    return "\n".join(textwrap.wrap(text, width, max_lines=most, placeholder=" …")).replace("$", r"\$")


def _draw_picture(figure: "Figure", case: ReportCase, opened: Opened, source: Source) -> None:
    from matplotlib.patheffects import withStroke

    image, labels = opened.image, opened.segmentation.labels
    grid = fitted(image.geometry, _MOST_VOXELS)
    values = value_range(image, 0, str(source.run.get("plan", {}).get("modality", "")))
    voxels = grey(image.voxels[0], grid, values)
    mask = shown_mask(opened.segmentation.drawable(case.name), grid, case.regions, labels.names)
    where = places(case, grid, lines_of(case, opened))
    steps = grid.geometry.step
    black, white = ((value - values.low) * 255 / (values.high - values.low) for value in (values.black, values.white))
    colours = [tuple(part / 255 for part in label.colour) for label in labels.labels]
    drawn = {label.name: colours[n] for n, label in enumerate(labels.labels) if (mask == n + 1).any()}
    _draw_legend(figure, dict(list(drawn.items())[:_MOST_NAMED]), any(one["lines"] for one in where), voxels.ndim)
    if voxels.ndim == 2:
        axes = figure.add_axes((0.07, 0.35, 0.86, 0.49))
        _draw_plane(axes, voxels, mask, steps[1] / steps[0], (black, white), colours)
        axes.invert_yaxis()
        _draw_lines(axes, [(n, line) for one in where for n, line in enumerate(one["lines"])], (0, 1))
        return
    at = _shown_slices(where, voxels.shape)
    for number, (name, (right, up), sides) in enumerate(_PLANES):
        across = 3 - right - up
        cut = (slice(None),) * across + (at[across],)
        axes = figure.add_axes((0.07 + 0.44 * (number % 2), 0.595 - 0.275 * (number // 2), 0.42, 0.245))
        _draw_plane(axes, voxels[cut], mask[cut], steps[up] / steps[right], (black, white), colours)
        axes.invert_xaxis()
        seen = [(n, line) for one in where for n, line in enumerate(one["lines"]) if _near(line, across, at[across])]
        _draw_lines(axes, seen, (right, up))
        axes.set_title(f"{name}, {'xyz'[across]} = {at[across]}", fontsize=8)
        for x, y, side in ((0.02, 0.5, sides[0]), (0.5, 0.95, sides[1])):
            text = axes.text(x, y, side, color="#ffffff", fontsize=8, transform=axes.transAxes, ha="left", va="center")
            text.set_path_effects([withStroke(linewidth=1.5, foreground="#000000")])


def _shown_slices(where: Sequence[dict[str, Any]], shape: tuple[int, ...]) -> list[int]:
    """Through the middle of the first region's longest diameter, or its centre, or the middle of the image."""
    first = next((one for one in where if one["centre"]), None)
    if first is None:
        return [n // 2 for n in shape]
    middle = np.mean(first["lines"][0], axis=0) if first["lines"] else np.array(first["centre"])
    return [int(n) for n in np.clip(np.rint(middle), 0, np.array(shape) - 1)]


def _near(line: Sequence[Sequence[float]], across: int, at: int) -> bool:
    return all(abs(end[across] - at) <= 0.75 for end in line)


def _draw_plane(
    axes: "Axes",
    plane: np.ndarray,
    mask: np.ndarray,
    aspect: float,
    window: tuple[float, float],
    colours: Sequence[Any],
) -> None:
    axes.imshow(plane.T, cmap="gray", vmin=window[0], vmax=window[1], origin="lower", aspect=aspect)
    for index, colour in enumerate(colours, start=1):
        inside = np.pad(mask == index, 1)  # so that a contour is closed at the edge of the image
        if inside.any():
            columns, rows = (np.arange(-1, n - 1) for n in inside.shape)
            axes.contour(columns, rows, inside.T.astype(np.uint8), [0.5], colors=[colour], linewidths=0.9)
    axes.set_xlim(-0.5, mask.shape[0] - 0.5)
    axes.set_ylim(-0.5, mask.shape[1] - 0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("black")


def _draw_legend(figure: "Figure", labels: Mapping[str, Any], lines: bool, ndim: int) -> None:
    """Names of what is drawn: in the quarter that three planes leave free, or below a radiograph."""
    from matplotlib.lines import Line2D

    shown = {name.replace("$", r"\$"): colour for name, colour in labels.items()} | (_COLOURS if lines else {})
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.51, 0.57)}
    if ndim == 2:
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.315), "ncols": 6}
    if shown:
        handles = [Line2D([], [], color=colour, linewidth=3) for colour in shown.values()]
        figure.legend(handles, list(shown), fontsize=8, frameon=False, **place)


def _draw_lines(axes: "Axes", lines: Sequence[tuple[int, Any]], shown: tuple[int, int]) -> None:
    for kind, line in lines:
        ends = np.array(line)[:, shown]
        colour = list(_COLOURS.values())[kind]
        axes.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=1, scalex=False, scaley=False)


def _draw_table(figure: "Figure", case: ReportCase) -> None:
    axes = figure.add_axes((0.07, 0.07, 0.86, 0.23))
    axes.set_axis_off()
    columns = region_columns(case.regions)[:_MOST_COLUMNS]
    if not columns:
        axes.text(0, 1, "No region." if case.status == "done" else "", fontsize=9, va="top")
        return
    rows = [[_said(value) for value in cells(region, columns)] for region in case.regions[:_MOST_ROWS]]
    table = axes.table(
        rows, colLabels=[column.title.replace(" (", "\n(") for column in columns], loc="upper left", cellLoc="right"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(6.5)
    for column in range(len(columns)):
        table[0, column].set_height(2 * table[0, column].get_height())
    more = len(case.regions) - len(rows)
    if more > 0:
        axes.set_title(f"The first {len(rows)} of {len(case.regions)} regions", fontsize=8, loc="left")


def _said(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
