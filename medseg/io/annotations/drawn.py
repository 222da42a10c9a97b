"""Annotation files: which there are, and how their shapes become a label map on the grid of an image."""

from collections import Counter
from pathlib import Path
from typing import Protocol

import numpy as np

from medseg.errors import GridMismatchError, InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.annotations import coco, inbreast, mini_mias, tables
from medseg.io.annotations.shapes import Drawing, Shape
from medseg.io.label_map import LabelMap, exclusive_map, overlapping_map
from medseg.labels import Labels

__all__ = ["FORMATS", "Format", "holds", "read"]


class Format(Protocol):
    """A module for one kind of annotation file."""

    def drawing(self, path: Path, inside: str) -> Drawing:
        """What is drawn on the image that `inside` names (its id or file name).

        Raises:
            UnreadableFileError: The file is broken.
            InputError: It says nothing of such an image, or a shape of it cannot be drawn.
        """
        ...


# By the file's ending, in lower case.
FORMATS: dict[str, Format] = {".json": coco, ".csv": tables, ".xml": inbreast, ".txt": mini_mias}


def holds(path: Path) -> bool:
    """Whether a path looks like an annotation file, by its ending."""
    return path.suffix.lower() in FORMATS


def read(path: Path, inside: str, on: Image | Geometry | None, labels: Labels | None) -> LabelMap:
    """The label map of what is drawn on one image, on its grid.

    What reaches beyond the image is cut at its edge, and a note says so.

    Args:
        path: The annotation file.
        inside: Which image it is asked about.
        on: The image or its grid: a drawing knows no size.
        labels: Say which value each name has; names that they do not mention are left out. Without them the names
            get 1, 2, ... in alphabetical order.

    Returns:
        File values, shape (x, y); of labels that overlap, a stack, shape (labels, x, y).

    Raises:
        UnreadableFileError: The file is broken.
        InputError: There is no grid to draw on, the file says nothing of this image, or a shape cannot be drawn.
        GridMismatchError: It was drawn on an image of another size.
        LabelError: Two labels that exclude one another are drawn on the same pixels.
    """
    if on is None:
        raise InputError(path, "draws on an image that is not known", "Pass the image: on=IMAGE.")
    grid = on.geometry if isinstance(on, Image) else on
    if grid.ndim != 2:
        raise InputError(path, f"draws on radiographs, the image is {grid.describe()}", "Pass a 2D image.")
    where = f"{path}:/{inside}" if inside else str(path)
    drawing = FORMATS[path.suffix.lower()].drawing(path, inside)
    _check_place(drawing, grid, where)
    named = labels or Labels.of_structures(sorted({shape.name for shape in drawing.shapes}) or ["lesion"])
    channels = np.zeros((len(named.labels), *grid.shape), bool)
    places = {value: place for place, label in enumerate(named.labels) for value in label.values}
    ignored, spare = np.zeros(grid.shape, bool), Counter[str]()
    for shape in drawing.shapes:
        value = named.value_of(shape.name)
        if value is not None and value in places:
            shape.paint(channels[places[value]])
        elif value is not None and value == named.ignore:
            shape.paint(ignored)
        elif value is None:
            spare[shape.name] += 1
    notes = (*drawing.notes, *_left_out(spare), *_cut(drawing.shapes, grid))
    if not named.exclusive:
        return LabelMap(overlapping_map(channels, ignored), grid, notes)
    return LabelMap(exclusive_map(channels, ignored, named, where), grid, notes)


def _check_place(drawing: Drawing, grid: Geometry, where: str) -> None:
    if drawing.size is not None and drawing.size != grid.shape:
        found, here = (" × ".join(map(str, size)) for size in (drawing.size, grid.shape))
        mend = "Pass the image it was drawn on, not a cropped or resized one."
        raise GridMismatchError(where, f"was drawn on {found} pixels, the image has {here}", mend)
    for shape in drawing.shapes:
        left, top, right, bottom = shape.box
        if right <= 0 or bottom <= 0 or left >= grid.shape[0] or top >= grid.shape[1]:
            found = f"{shape.name!r} lies outside the image ({left:g} to {right:g}, {top:g} to {bottom:g})"
            raise InputError(where, found, "Pass the image it was drawn on.", f"in {grid.describe()}")


def _left_out(spare: Counter[str]) -> tuple[str, ...]:
    counts = ", ".join(f"{count} × {name!r}" for name, count in sorted(spare.items()))
    return (f"left out, as no label names them: {counts}",) if spare else ()


def _cut(shapes: tuple[Shape, ...], grid: Geometry) -> tuple[str, ...]:
    """A note where shapes reach more than a pixel beyond the image, which is more than rounding."""
    count = sum(min(s.box) < -1 or s.box[2] > grid.shape[0] + 1 or s.box[3] > grid.shape[1] + 1 for s in shapes)
    return (f"{count} shapes reach beyond the image and are cut at its edge",) if count else ()
