"""The largest lesions of a case as one picture, each in the slice of its RECIST diameter with both lines drawn.

Slices are shown as radiologists look at them (the patient's right on the left, anterior and superior up), radiographs
as stored.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.atomic import atomic_path
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.outputs.slice_view import SliceView, slice_view
from medseg.picture import display_range
from medseg.regions import AxialDiameters, Diameter, Region, axial_diameters, segmentation_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_lesions", "write_lesions"]

_COLUMNS = 4
_MARGIN = 0.6  # of the longest diameter, shown round a lesion
_LONGEST, _ACROSS, _OUTLINE = "#00d5ff", "#ffd400", "#ff4d4d"


def write_lesions(path: str | Path, image: Image, segmentation: Segmentation, most: int = 12) -> None:
    """Write the picture as PNG; see `draw_lesions`.

    Raises:
        OutputError: The file cannot be written.
    """
    figure = draw_lesions(image, segmentation, most)
    with atomic_path(Path(path)) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def draw_lesions(image: Image, segmentation: Segmentation, most: int = 12) -> "Figure":
    """The regions with the longest diameters as a matplotlib figure, made without pyplot's global state.

    Args:
        image: Its first channel is shown.
        segmentation: The mask on the image's grid.
        most: How many regions are shown.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    geometry = image.geometry
    largest = sorted(segmentation_regions(segmentation), key=lambda region: -region.voxels)[: 4 * most]
    measured = [
        (region, axial_diameters(region.mask, geometry.cropped(region.start, region.size))) for region in largest
    ]
    shown = sorted(measured, key=lambda found: -found[1].longest.length)[:most]
    columns = max(1, min(_COLUMNS, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    figure = Figure(figsize=(3.2 * columns, 3.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels:
        axes.set_axis_off()
    for axes, (region, lines) in zip(figure.axes, shown, strict=False):
        _draw(axes, image, segmentation, region, lines)
    if not shown:
        figure.axes[0].set_title("no region")
    return figure


def _draw(axes: "Axes", image: Image, segmentation: Segmentation, region: Region, lines: AxialDiameters) -> None:
    geometry = image.geometry
    view = _view(region, lines, geometry)
    first, second = view.axes
    inside = view.cut(segmentation.of(region.label))
    plane = view.cut(image.voxels[0])
    low, high = _window(plane, _shown(lines.longest, view, geometry))
    axes.imshow(plane.T, cmap="gray", vmin=low, vmax=high, origin="lower")
    axes.contour(inside.T.astype(np.uint8), [0.5], colors=[_OUTLINE], linewidths=1)
    for line, colour in ((lines.longest, _LONGEST), (lines.perpendicular, _ACROSS)):
        ends = geometry.to_index([line.start, line.end])
        axes.plot(ends[:, first], ends[:, second], color=colour, linewidth=1.4)
    # The lesion with some of what is around it.
    view.frame(axes, _shown(lines.longest, view, geometry), geometry)
    unit = "mm" if geometry.spacing_known else "px"
    lengths = f"{lines.longest.length:.1f} × {lines.perpendicular.length:.1f} {unit}"
    axes.set_title(f"{region.label}, {region.id}: {lengths}\n{view.plane}", fontsize=9)


def _view(region: Region, lines: AxialDiameters, geometry: Geometry) -> SliceView:
    at = 0 if geometry.ndim == 2 else region.start[geometry.acquisition_axis] + lines.slice
    return slice_view(geometry, at)


def _shown(line: Diameter, view: SliceView, geometry: Geometry) -> list[tuple[float, float]]:
    """First and last index shown along both axes of the picture."""
    steps = [geometry.step[axis] for axis in view.axes]
    middle = geometry.to_index([line.start, line.end]).mean(axis=0)
    reach = max(line.length * (0.5 + _MARGIN), 8 * max(steps))
    return [
        (middle[axis] - reach / step, middle[axis] + reach / step) for axis, step in zip(view.axes, steps, strict=True)
    ]


def _window(plane: np.ndarray, shown: list[tuple[float, float]]) -> tuple[float, float]:
    """Grey values of what is seen, not of the whole image: a lesion differs little from its organ."""
    part = tuple(slice(max(0, round(first)), round(last) + 1) for first, last in shown)
    return display_range(plane[part])
