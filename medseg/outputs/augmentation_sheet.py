"""The contact sheet of an augmentation: patches as they are and as training sees them, each with what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from medseg.atomic import atomic_path
from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels
from medseg.outputs.sample_sheet import painted
from medseg.picture import display_range, panels

__all__ = ["SheetRow", "ShownPatch", "draw_sheet", "write_sheet"]

_HEIGHT, _GAP, _STRIP, _LINE, _TEXT = 200, 8, 24, 16, 13
_NARROWEST = 150  # columns of a cell, so that its caption has room
_WHITE, _DIM = (255, 255, 255), (190, 190, 190)


@dataclass(frozen=True, eq=False)
class ShownPatch:
    """A patch and what was done to it.

    Args:
        image: float32, shape (C, *patch) on RAS axes; the first channel is shown.
        targets: Class indices, shape (*patch), or 0 and 1 for each label, shape (labels, *patch).
        caption: What was done.
    """

    image: np.ndarray
    targets: np.ndarray
    caption: str


@dataclass(frozen=True, eq=False)
class SheetRow:
    """The patches of one case, the one as it is first."""

    title: str
    patches: tuple[ShownPatch, ...]


def write_sheet(path: Path, rows: Sequence[SheetRow], labels: Labels, step: Sequence[float]) -> None:
    """Write the sheet as PNG; see `draw_sheet`.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        draw_sheet(rows, labels, step).save(temporary, format="PNG")


def draw_sheet(rows: Sequence[SheetRow], labels: Labels, step: Sequence[float]) -> Picture.Image:
    """The rows under one another; of a volume the plane of acquisition that holds most of the labels.

    Each patch of a row is shown in the same window, that of the patch as it is, so that changes of grey can be seen.

    Args:
        rows: Of the cases.
        labels: Give the colours.
        step: Sizes of the voxels of all patches; only their proportions matter.
    """
    font = ImageFont.load_default(_TEXT)
    drawn = [[_cell(patch, row, labels, step) for patch in row.patches] for row in rows]
    width = max(_NARROWEST, *(cell.width for cells in drawn for cell in cells))
    captions = [[_wrapped(patch.caption, width, font) for patch in row.patches] for row in rows]
    heights = [_STRIP + _HEIGHT + _LINE * max(map(len, lines)) + _GAP for lines in captions]
    most = max(len(row.patches) for row in rows)
    sheet = Picture.new("RGB", (most * (width + _GAP) + _GAP, _STRIP + sum(heights)))
    draw = ImageDraw.Draw(sheet)
    top = _legend(draw, font, labels)
    for row, cells, lines, height in zip(rows, drawn, captions, heights, strict=True):
        draw.text((_GAP, top + _STRIP // 2), row.title, _WHITE, font, anchor="lm")
        for column, (cell, caption) in enumerate(zip(cells, lines, strict=True)):
            left = _GAP + column * (width + _GAP)
            sheet.paste(cell, (left, top + _STRIP))
            for number, line in enumerate(caption):
                draw.text((left, top + _STRIP + _HEIGHT + _LINE * number + 2), line, _DIM, font)
        top += height
    return sheet


def _cell(patch: ShownPatch, row: SheetRow, labels: Labels, step: Sequence[float]) -> Picture.Image:
    voxels, mask = patch.image[0], painted(patch.targets, patch.image.ndim - 1)
    geometry = Geometry.from_spacing(voxels.shape, tuple(step))
    window = display_range(row.patches[0].image[0])
    axis = None
    if voxels.ndim == 3:
        axis = int(np.argmax(step)) if max(step) > 1.01 * min(step) else 2
        inside = ((mask > 0) & (mask != IGNORE_INDEX)).sum(tuple(i for i in range(3) if i != axis))
        at = int(inside.argmax()) if inside.any() else len(inside) // 2
        start = [at if i == axis else 0 for i in range(3)]
        shape = [1 if i == axis else n for i, n in enumerate(voxels.shape)]
        box = tuple(slice(first, first + n) for first, n in zip(start, shape, strict=True))
        voxels, mask, geometry = voxels[box], mask[box], geometry.cropped(start, shape)
    shown = panels(voxels, geometry, mask, labels, _HEIGHT, window)
    return Picture.fromarray(next(panel.rgb for panel in shown if panel.axis == axis))


def _wrapped(caption: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """The parts of a caption by line, none wider than a cell but where a part by itself is."""
    lines: list[str] = []
    for part in caption.split(", "):
        longer = f"{lines[-1]}, {part}" if lines else part
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _legend(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, labels: Labels) -> int:
    """The labels with their colours; where the next line begins."""
    left = _GAP
    for label in labels.labels:
        draw.rectangle((left, 6, left + 12, 18), fill=label.colour)
        draw.text((left + 18, _STRIP // 2), label.name, _WHITE, font, anchor="lm")
        left += 40 + round(font.getlength(label.name))
    return _STRIP
