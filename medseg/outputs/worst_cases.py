"""Pictures of the cases that were segmented worst: the slice where the masks disagree most, with both outlines."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.errors import MedsegError
from medseg.evaluation.evaluation import Evaluation
from medseg.evaluation.source import Masks
from medseg.evaluation.worst import worst_cases
from medseg.outputs.slice_view import SliceView, slice_view
from medseg.picture import display_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PREDICTED", "REFERENCE", "WorstCase", "worst_pictures"]

PREDICTED, REFERENCE = "#ffb000", "#00c8ff"  # orange and blue, which the colour-blind tell apart too
_MARGIN = 0.5  # of what is outlined, shown on each side of it
_LEAST = 0.35  # of the slice that is shown at least
_GREY = 0.35  # of white, where there is no image
_SIDE, _DPI = 3.6, 120
_Shown = list[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class WorstCase:
    """One of the worst cases, drawn.

    Args:
        case: Its id.
        label: Whose outlines are shown.
        caption: Scores, sizes, reason and slice in words.
        png: The picture; empty where the masks could not be read again.
        note: Why there is no image behind the outlines, or no picture; empty where all is there.
    """

    case: str
    label: str
    caption: str
    png: bytes = b""
    note: str = ""


def worst_pictures(evaluation: Evaluation, most: int = 6) -> Iterator[WorstCase]:
    """The worst cases, each once, with the label of its lowest Dice.

    Nothing that is wrong with a file ends this: an image that cannot be read is left out and a note says why.
    """
    for row in worst_cases(evaluation.worst, most).to_dict("records"):
        case, label, caption = str(row["case"]), str(row["label"]), _caption(row)
        try:
            masks = evaluation.source.masks(case, label)
            image, note = _image(evaluation, case, masks)
            view = _view(masks)
            plane = f"{view.plane}; " if view.plane else ""
            yield WorstCase(case, label, plane + caption, _picture(masks, view, image), note)
        except Exception as error:  # the scores are there whatever becomes of a picture
            yield WorstCase(case, label, caption, note=f"no picture: {_reason(error)}")


def _image(evaluation: Evaluation, case: str, masks: Masks) -> tuple[np.ndarray | None, str]:
    try:
        image = evaluation.source.image(case, masks.grid)
    except Exception as error:
        return None, f"without its image: {_reason(error)}"
    return image, "" if image is not None else "without its image: nobody says where it is"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, MedsegError) else f"unexpected {type(error).__name__}: {error}"


def _caption(row: dict[Any, Any]) -> str:
    parts = [f"Dice {row['dice']:.3f}"]
    parts += [f"HD95 {row[name]:.3g} {unit}" for name, unit in (("hd95_mm", "mm"), ("hd95_px", "pixels"))
              if row[name] == row[name]]  # fmt: skip
    parts += [f"{row['predicted_voxels']:,} voxels predicted, {row['reference_voxels']:,} in the reference"]
    return "; ".join([", ".join(parts), *([row["reason"]] if row["reason"] else [])])


def _view(masks: Masks) -> SliceView:
    """The slice with most voxels that are in one mask only; of masks that are alike, that with most of the label."""
    if masks.grid.ndim == 2:
        return slice_view(masks.grid)
    across = masks.grid.acquisition_axis
    within = tuple(axis for axis in range(3) if axis != across)
    wrong = (masks.predicted != masks.reference).sum(axis=within)
    return slice_view(masks.grid, int((wrong if wrong.any() else masks.reference.sum(axis=within)).argmax()))


def _picture(masks: Masks, view: SliceView, image: np.ndarray | None) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(_SIDE, _SIDE + 0.35), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_axis_off()
    predicted, reference = view.cut(masks.predicted), view.cut(masks.reference)
    shown = _shown(predicted | reference, view, masks)
    _background(axes, None if image is None else view.cut(image), shown)
    _outline(axes, reference, REFERENCE, 2.2)
    _outline(axes, predicted, PREDICTED, 1.3)
    view.frame(axes, [(low - 0.5, high - 0.5) for low, high in shown], masks.grid)
    lines = [
        Line2D([], [], color=colour, linewidth=2, label=name)
        for name, colour in (("predicted", PREDICTED), ("reference", REFERENCE))
    ]
    legend = figure.legend(handles=lines, loc="outside lower center", ncols=2, fontsize=8, facecolor="#222")
    for text in legend.get_texts():
        text.set_color("white")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _background(axes: "Axes", plane: np.ndarray | None, shown: _Shown) -> None:
    """The part of the image that is shown, bright and dark as its own values go."""
    (left, right), (low, high) = shown
    extent = (left - 0.5, right - 0.5, low - 0.5, high - 0.5)
    if plane is None:
        axes.imshow([[_GREY]], cmap="gray", vmin=0, vmax=1, origin="lower", extent=extent)
        return
    part = plane[left:right, low:high]
    dark, bright = display_range(part)
    axes.imshow(part.T, cmap="gray", vmin=dark, vmax=bright, origin="lower", extent=extent)


def _outline(axes: "Axes", mask: np.ndarray, colour: str, width: float) -> None:
    if mask.any():
        across, up = (np.arange(-1, n + 1) for n in mask.shape)
        # A rim of background closes outlines that run into the border of the image.
        axes.contour(across, up, np.pad(mask, 1).T.astype(np.uint8), [0.5], colors=[colour], linewidths=width)


def _shown(outlined: np.ndarray, view: SliceView, masks: Masks) -> _Shown:
    """First index and the one after the last along both axes: what is outlined, with some of what is around it."""
    steps = [masks.grid.step[axis] for axis in view.axes]
    whole = [n * step for n, step in zip(outlined.shape, steps, strict=True)]
    hits = [np.flatnonzero(outlined.any(axis=1 - axis)) for axis in (0, 1)]
    ends = [(int(found[0]), int(found[-1]) + 1) if len(found) else (0, n)
            for found, n in zip(hits, outlined.shape, strict=True)]  # fmt: skip
    widest = max((last - first) * step for (first, last), step in zip(ends, steps, strict=True))
    side = max((1 + 2 * _MARGIN) * widest, _LEAST * max(whole))
    shown = []
    for (first, last), step, n in zip(ends, steps, outlined.shape, strict=True):
        size = min(n, round(side / step))
        start = min(max(0, (first + last - size) // 2), n - size)
        shown.append((start, start + size))
    return shown
