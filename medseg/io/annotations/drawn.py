"""Annotation files: which there are, and how their shapes become a label map on the grid of an image."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.label_map import LabelMap, exclusive_map
from medseg.labels import Labels

__all__ = ["FORMATS", "Format", "Shape", "holds", "read"]


@dataclass(frozen=True)
class Shape:
    """Something drawn on one image.

    Args:
        name: What it is called: the structure, or the category of a lesion.
        paint: Which pixels of a grid of this shape (x, y) belong to it, boolean.
    """

    name: str
    paint: Callable[[tuple[int, ...]], np.ndarray]


class Format(Protocol):
    """A module for one kind of annotation file."""

    def shapes(self, path: Path, inside: str) -> list[Shape]:
        """What is drawn on the image that `inside` names (its id or file name).

        Raises:
            UnreadableFileError: The file is broken.
            InputError: It says nothing of such an image.
        """
        ...


# By the file's ending, in lower case.
FORMATS: dict[str, Format] = {}


def holds(path: Path) -> bool:
    """Whether a path looks like an annotation file, by its ending."""
    return path.suffix.lower() in FORMATS


def read(path: Path, inside: str, on: Image | Geometry | None, labels: Labels | None) -> LabelMap:
    """The label map of what is drawn on one image, on its grid.

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
        InputError: There is no grid to draw on, or the file says nothing of this image.
        LabelError: Two labels that exclude one another are drawn on the same pixels.
    """
    if on is None:
        raise InputError(path, "draws on an image that is not known", "Pass the image: on=IMAGE.")
    grid = on.geometry if isinstance(on, Image) else on
    if grid.ndim != 2:
        raise InputError(path, f"draws on radiographs, the image is {grid.describe()}", "Pass a 2D image.")
    shapes = FORMATS[path.suffix.lower()].shapes(path, inside)
    named = labels or Labels.of_structures(sorted({shape.name for shape in shapes}) or ["lesion"])
    channels = np.zeros((len(named.labels), *grid.shape), bool)
    places = {value: place for place, label in enumerate(named.labels) for value in label.values}
    ignored = np.zeros(grid.shape, bool)
    for shape in shapes:
        value = named.value_of(shape.name)
        if value is not None and value in places:
            channels[places[value]] |= shape.paint(grid.shape)
        elif value is not None and value == named.ignore:
            ignored |= shape.paint(grid.shape)
    if not named.exclusive:
        return LabelMap(channels.astype(np.uint8), grid)
    return LabelMap(exclusive_map(channels, ignored, named, f"{path}:/{inside}"), grid)
