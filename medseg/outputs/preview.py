"""`preview.png`: an overlay by which a person can check a mask at a glance.

The upper row shows the whole image, the lower one the largest region close up, unless it fills the image anyway.
"""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from medseg.atomic import atomic_path
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.picture import Panel, display_range, panels
from medseg.regions import segmentation_regions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draw_preview", "write_preview"]

_HEIGHT_3D, _HEIGHT_2D = 360, 640
_CLOSE = 0.35  # a close-up of more than this share of the image shows nothing new
_GAP, _STRIP, _TEXT = 6, 26, 15
_WHITE, _DIM = (255, 255, 255), (190, 190, 190)


class _Found(NamedTuple):
    """What is drawn of a region: its label, and its bounding box."""

    label: str
    voxels: int
    start: tuple[int, ...]
    size: tuple[int, ...]


def write_preview(
    path: str | Path,
    image: Image,
    segmentation: Segmentation,
    title: str | None = None,
    regions: "pd.DataFrame | None" = None,
) -> None:
    """Write the preview of one case as PNG.

    Args:
        path: The file; its folder is named after the case.
        image: Its first channel is shown.
        segmentation: The mask on the image's grid.
        title: Stands above the picture; the name of the folder by default.
        regions: The table of its regions, where they were measured already.

    Raises:
        OutputError: The file cannot be written.
    """
    path = Path(path)
    picture = draw_preview(image, segmentation, path.absolute().parent.name if title is None else title, regions)
    with atomic_path(path) as temporary:
        picture.save(temporary)


def draw_preview(
    image: Image, segmentation: Segmentation, title: str = "", regions: "pd.DataFrame | None" = None
) -> PillowImage.Image:
    """The same as a picture: planes with plane names and sides, a close-up, and a legend of the labels found."""
    labels = segmentation.labels
    voxels, geometry = image.voxels[0], image.geometry
    indices, found = segmentation.drawable(title or "mask"), _found(segmentation, regions)
    height = _HEIGHT_2D if geometry.ndim == 2 else _HEIGHT_3D
    window = display_range(voxels)
    rows = [_row(panels(voxels, geometry, indices, labels, height, window), (0,) * geometry.ndim)]
    box = _close_up(found, geometry)
    if box is not None:
        start = tuple(part.start for part in box)
        crop = geometry.cropped(start, [part.stop - part.start for part in box])
        rows.append(_row(panels(voxels[box], crop, indices[box], labels, height, window), start))
    if geometry.ndim == 2:
        rows = [_beside(rows)]
    described = geometry.describe().replace("×", "x")  # Pillow's own font has no multiplication sign
    return _framed(rows, labels, found, f"{title}   {described}".strip())


def _found(segmentation: Segmentation, table: "pd.DataFrame | None") -> list[_Found]:
    if table is None:
        regions = segmentation_regions(segmentation)
        return [_Found(region.label, region.voxels, region.start, region.size) for region in regions]
    axes = "ijk"[: segmentation.geometry.ndim]
    starts, sizes = (table[[f"box_{part}_{axis}" for axis in axes]].to_numpy(int) for part in ("start", "size"))
    boxes = zip(table["label"], table["voxels"], starts.tolist(), sizes.tolist(), strict=True)
    return [_Found(label, int(voxels), tuple(start), tuple(size)) for label, voxels, start, size in boxes]


def _close_up(regions: list[_Found], geometry: Geometry) -> tuple[slice, ...] | None:
    """A cube (in mm) around the largest region, twice its size and within the image; None where it fills the image."""
    if not regions:
        return None
    largest = max(regions, key=lambda region: region.voxels)
    side = 2 * max(n * step for n, step in zip(largest.size, geometry.step, strict=True))
    box = []
    for first, n, step, whole in zip(largest.start, largest.size, geometry.step, geometry.shape, strict=True):
        size = min(whole, max(n, round(side / step), 8))
        start = min(max(0, first + n // 2 - size // 2), whole - size)
        box.append(slice(start, start + size))
    share = math.prod(part.stop - part.start for part in box) / math.prod(geometry.shape)
    return tuple(box) if share < _CLOSE else None


def _row(drawn: list[Panel], start: tuple[int, ...]) -> PillowImage.Image:
    """Panels side by side, each with its plane, slice index on the whole grid, and sides written on it."""
    return _beside([_named(panel, start) for panel in drawn])


def _named(panel: Panel, start: tuple[int, ...]) -> PillowImage.Image:
    picture = PillowImage.fromarray(panel.rgb)
    if panel.axis is None or panel.index is None:
        return picture
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT)
    place = f"{panel.name}  {'ijk'[panel.axis]} = {panel.index + start[panel.axis]}"
    middle = (picture.width // 2, picture.height // 2)
    for where, text, anchor, colour in (
        ((6, picture.height - 6), place, "ls", _WHITE),
        ((6, middle[1]), panel.sides[0], "lm", _DIM),
        ((middle[0], 6), panel.sides[1], "ma", _DIM),
    ):
        draw.text(where, text, colour, font, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0))
    return picture


def _beside(pictures: list[PillowImage.Image]) -> PillowImage.Image:
    width = sum(picture.width for picture in pictures) + _GAP * (len(pictures) - 1)
    row = PillowImage.new("RGB", (width, max(picture.height for picture in pictures)))
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + _GAP
    return row


def _framed(rows: list[PillowImage.Image], labels: Labels, regions: list[_Found], title: str) -> PillowImage.Image:
    """The rows under a title and above a legend."""
    font = ImageFont.load_default(_TEXT)
    found = Counter(region.label for region in regions)
    entries = [(label.colour, f"{label.name}: {_many(found[label.name])}") for label in labels.labels]
    needed = [_TEXT + 14 + round(font.getlength(text)) for _colour, text in entries]
    width = max(*(row.width for row in rows), 320, round(font.getlength(title)) + 12)
    lines = _wrapped(needed, width)
    height = sum(row.height + _GAP for row in rows) + _STRIP * (1 + len(lines))
    picture = PillowImage.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    draw.text((6, _STRIP // 2), title, _WHITE, font, anchor="lm")
    top = _STRIP
    for row in rows:
        picture.paste(row, (0, top))
        top += row.height + _GAP
    for line in lines:
        left = 6
        for entry in line:
            colour, text = entries[entry]
            draw.rectangle((left, top + 6, left + _TEXT - 3, top + 6 + _TEXT - 3), fill=colour)
            draw.text((left + _TEXT + 3, top + 12), text, _WHITE, font, anchor="lm")
            left += needed[entry]
        top += _STRIP
    return picture


def _wrapped(needed: list[int], width: int) -> list[list[int]]:
    """Entries of the legend by line."""
    lines: list[list[int]] = [[]]
    room = width - 6
    for entry, size in enumerate(needed):
        if size > room and lines[-1]:
            lines.append([])
            room = width - 6
        lines[-1].append(entry)
        room -= size
    return lines


def _many(count: int) -> str:
    if count == 0:
        return "none"
    return "1 region" if count == 1 else f"{count} regions"
