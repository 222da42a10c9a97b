"""`samples/epoch_0010.png`: validation cases with their reference and what the network made of them at that epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from medseg.atomic import atomic_path
from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX
from medseg.picture import Panel, display_range, panels
from medseg.training.observer import Judged, Row

__all__ = ["SampleSheet", "draw_sample", "painted", "sheet_path"]

_HEIGHT, _GAP, _STRIP, _TEXT = 240, 6, 24, 14
_TITLES = ("image", "reference", "prediction")
_WHITE = (255, 255, 255)


class SampleSheet:
    """Collects the cases of a validation, and writes their sheet when its epoch ends.

    Args:
        folder: Where the sheets go.
        cases: Ids of those that are drawn.
    """

    def __init__(self, folder: Path, cases: Sequence[str]) -> None:
        self._folder, self._cases = folder, frozenset(cases)
        self._rows: dict[str, PillowImage.Image] = {}  # by case, since a validation that failed is repeated

    def case(self, epoch: int, judged: Judged) -> None:
        """Draw a case, if it is one of those."""
        if judged.case.id in self._cases:
            self._rows[judged.case.id] = draw_sample(judged)

    def epoch(self, history: Sequence[Row]) -> None:
        """Write what was collected.

        Raises:
            OutputError: The file cannot be written.
        """
        if not self._rows:
            return
        with atomic_path(sheet_path(self._folder, int(history[-1]["epoch"]))) as unfinished:
            _below(list(self._rows.values())).save(unfinished, format="PNG")
        self._rows = {}


def sheet_path(folder: Path, epoch: int) -> Path:
    """Where the sheet of an epoch is."""
    return folder / f"epoch_{epoch:04d}.png"


def draw_sample(judged: Judged) -> PillowImage.Image:
    """A case as a row: its image, and with the outlines of reference and prediction on the same plane.

    The plane is the one of acquisition (across the largest step) that holds most of the reference.
    """
    cut = _plane(judged)
    drawn = [_panel(cut, mask).rgb for mask in (None, cut.reference, cut.predicted)]
    width = sum(rgb.shape[1] for rgb in drawn) + _GAP * (len(drawn) - 1)
    picture = PillowImage.new("RGB", (width, _HEIGHT + 2 * _STRIP))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT)
    draw.text((6, _STRIP // 2), f"{judged.case.id}   {_dices(judged)}", _WHITE, font, anchor="lm")
    left = 0
    for rgb, title in zip(drawn, _TITLES, strict=True):
        picture.paste(PillowImage.fromarray(rgb), (left, _STRIP))
        draw.text((left + 6, _STRIP + _HEIGHT + _STRIP // 2), title, _WHITE, font, anchor="lm")
        left += rgb.shape[1] + _GAP
    return picture


@dataclass(frozen=True, eq=False)
class _Plane:
    """One plane of a case, still an array of all axes; masks are class indices."""

    voxels: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray
    geometry: Geometry
    judged: Judged
    axis: int | None
    window: tuple[float, float]


def _plane(judged: Judged) -> _Plane:
    voxels, geometry = judged.image.voxels[0], judged.image.geometry
    reference, predicted = (painted(mask, geometry.ndim) for mask in (judged.reference, judged.predicted))
    window = display_range(voxels)
    if geometry.ndim == 2:
        return _Plane(voxels, reference, predicted, geometry, judged, None, window)
    axis = geometry.acquisition_axis
    inside = (reference > 0) & (reference != IGNORE_INDEX)
    count = inside.sum(axis=tuple(i for i in range(3) if i != axis))
    at = int(count.argmax()) if count.any() else voxels.shape[axis] // 2
    start = [at if i == axis else 0 for i in range(3)]
    size = [1 if i == axis else n for i, n in enumerate(geometry.shape)]
    box = tuple(slice(first, first + n) for first, n in zip(start, size, strict=True))
    return _Plane(voxels[box], reference[box], predicted[box], geometry.cropped(start, size), judged, axis, window)


def painted(mask: np.ndarray, ndim: int) -> np.ndarray:
    """One map of class indices; of labels that overlap, later ones over earlier ones."""
    if mask.ndim == ndim:
        return mask
    painted = np.zeros(mask.shape[1:], np.uint8)
    for index, one in enumerate(mask, start=1):
        painted[one == 1] = index
    return painted


def _panel(cut: _Plane, mask: np.ndarray | None) -> Panel:
    drawn = panels(cut.voxels, cut.geometry, mask, cut.judged.labels, _HEIGHT, cut.window)
    return next(panel for panel in drawn if panel.axis == cut.axis)


def _dices(judged: Judged) -> str:
    known = [
        f"{name} {dice:.3f}"
        for name, dice in zip(judged.labels.names, judged.dice, strict=True)
        if not math.isnan(dice)
    ]
    return f"Dice: {', '.join(known)}" if known else "Dice: undefined"


def _below(rows: Sequence[PillowImage.Image]) -> PillowImage.Image:
    height = sum(row.height for row in rows) + _GAP * (len(rows) - 1)
    sheet = PillowImage.new("RGB", (max(row.width for row in rows), height))
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + _GAP
    return sheet
