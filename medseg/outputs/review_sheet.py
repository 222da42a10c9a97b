"""`review.png`: the chosen cases under one another, each prediction beside where it differs from the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from medseg.atomic import atomic_path
from medseg.image import Image, Segmentation
from medseg.labels import IGNORE_INDEX, Label, Labels
from medseg.picture import montage

__all__ = ["SheetRow", "sheet_row", "write_sheet"]

_HEIGHT = {2: 260, 3: 170}
_GAP, _STRIP, _TEXT = 10, 24, 14
_TITLE, _KEY = 130, 40  # columns that a title of the legend and a coloured square take
_WHITE, _DIM = (255, 255, 255), (170, 170, 170)
_DIFFERENCE = Labels(
    (
        Label("as in the reference", (1,), (44, 160, 44)),
        Label("only predicted", (2,), (214, 39, 40)),
        Label("only in the reference", (3,), (31, 119, 180)),
        Label("another label", (4,), (255, 127, 14)),
    )
)


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One case of the sheet: its text, the prediction and (with a reference) the difference, as RGB arrays."""

    text: str
    pictures: tuple[np.ndarray, ...]


def sheet_row(text: str, image: Image, predicted: Segmentation, reference: Segmentation | None) -> SheetRow:
    """Draw one case; of labels that may overlap, the smaller lies on the larger."""
    height, voxels = _HEIGHT[image.geometry.ndim], image.voxels[0]
    found = predicted.drawable()
    drawn = [montage(voxels, image.geometry, found, predicted.labels, height)]
    if reference is not None:
        different = _difference(found, reference.drawable())
        drawn.append(montage(voxels, image.geometry, different, _DIFFERENCE, height))
    return SheetRow(text, tuple(drawn))


def write_sheet(path: Path, rows: Sequence[SheetRow], labels: Labels) -> None:
    """Write the rows as one PNG, with what the colours mean.

    Raises:
        OutputError: The file cannot be written.
    """
    font = ImageFont.load_default(_TEXT)
    columns = [max((row.pictures[n].shape[1] for row in rows if len(row.pictures) > n), default=0) for n in (0, 1)]
    legends = [labels, *([_DIFFERENCE] if columns[1] else [])]
    texts = [font.getlength(row.text) for row in rows]
    keys = [_TITLE + sum(_KEY + font.getlength(name) for name in legend.names) for legend in legends]
    width = max(sum(columns) + 3 * _GAP, round(max(texts + keys)) + 2 * _GAP)
    height = _STRIP * (1 + len(legends)) + sum(_STRIP + row.pictures[0].shape[0] + _GAP for row in rows)
    sheet = Picture.new("RGB", (width, height))
    draw = ImageDraw.Draw(sheet)
    top = _legend(draw, font, legends)
    for row in rows:
        draw.text((_GAP, top + _STRIP // 2), row.text, _WHITE, font, anchor="lm")
        left = _GAP
        for picture, column in zip(row.pictures, columns, strict=False):
            sheet.paste(Picture.fromarray(picture), (left, top + _STRIP))
            left += column + _GAP
        top += _STRIP + row.pictures[0].shape[0] + _GAP
    with atomic_path(path) as temporary:
        sheet.save(temporary)


def _legend(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, shown: list[Labels]) -> int:
    """A line for each set of labels; where the next line begins."""
    top = 4
    for title, labels in zip(("left: prediction", "right: difference"), shown, strict=False):
        draw.text((_GAP, top + _STRIP // 2), title, _DIM, font, anchor="lm")
        left = _GAP + _TITLE
        for label in labels.labels:
            draw.rectangle((left, top + 6, left + 12, top + 18), fill=label.colour)
            draw.text((left + 18, top + _STRIP // 2), label.name, _WHITE, font, anchor="lm")
            left += _KEY + round(font.getlength(label.name))
        top += _STRIP
    return top + _GAP


def _difference(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """1 where both agree, 2 only predicted, 3 only in the reference, 4 another label; nothing where it is ignored."""
    both = (found > 0) & (true > 0)
    cases = [true == IGNORE_INDEX, both & (found == true), both, found > 0, true > 0]
    return np.select(cases, [0, 1, 4, 2, 3], 0).astype(np.uint8)
