"""COCO JSON: polygons and run lengths of the objects on many images, each in a category.

Positions are counted from the outer corner of the first pixel, as here: it covers 0 to 1, its centre is at 0.5.
A polygon is filled by the centres of its pixels; COCO's own program also marks some that it only touches, which
makes outlines up to a pixel wider. Run lengths are exact. Crowds are painted as everything else.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medseg.errors import GridMismatchError, InputError, UnreadableFileError
from medseg.io.annotations.files import parsed_once, text_of
from medseg.io.annotations.run_lengths import marked
from medseg.io.annotations.shapes import Drawing, Shape, points_of, polygon

__all__ = ["Coco", "coco", "drawing"]

_MEND = "Export it again as COCO JSON."
Entry = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Coco:
    """What a COCO file lists.

    Args:
        images: In the order of the file; each has an `id` and a `file_name`.
        categories: Names by id, in the order of their ids as listed.
        annotations: By the id of their image; `None` where the file only lists images.
    """

    images: tuple[Entry, ...]
    categories: Mapping[int | str, str]
    annotations: Mapping[int | str, Sequence[Entry]] | None
    _named: tuple[dict[str, list[Entry]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named: tuple[dict[str, list[Entry]], ...] = ({}, {}, {})
        for image in self.images:
            name = image["file_name"]
            for known, own in zip(named, (name, str(image["id"]), PurePosixPath(name).name), strict=True):
                known.setdefault(own, []).append(image)
        object.__setattr__(self, "_named", named)

    def find(self, name: str) -> Entry | None:
        """The image of a file name, else an id, else the last part of a file name, if it is only one."""
        found = next((known[name] for known in self._named if name in known), [])
        return found[0] if len(found) == 1 else None


@parsed_once
def coco(path: Path) -> Coco:
    """The lists of a COCO file; what is wrong with one annotation is found when it is drawn.

    Raises:
        UnreadableFileError: It is no JSON, or lacks lists, ids or names.
    """
    try:
        content = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(path, f"is no JSON ({error})", _MEND) from error
    images = _entries(path, content, "images", {"id": (int, str), "file_name": (str,)})
    categories = _entries(path, content, "categories", {"id": (int, str), "name": (str,)}, needed=False)
    names = {category["id"]: category["name"].strip() for category in categories}
    if "annotations" not in content:
        return Coco(images, names, None)
    drawn: dict[int | str, list[Entry]] = {}
    for annotation in _entries(path, content, "annotations", {"image_id": (int, str)}):
        drawn.setdefault(annotation["image_id"], []).append(annotation)
    return Coco(images, names, drawn)


def drawing(path: Path, inside: str) -> Drawing:
    """The objects on the image with this file name or id.

    Raises:
        UnreadableFileError: The file is broken.
        InputError: It has no such image, or says of one of its objects only in which box it lies.
    """
    file = coco(path)
    image = file.find(inside)
    if image is None or file.annotations is None:
        found = f"says nothing of an image {inside!r}" if image is None else "only lists images"
        raise InputError(path, found, "Name an image by its file_name or id: FILE:/IMAGE.")
    width, height = image.get("width"), image.get("height")
    size = (width, height) if isinstance(width, int) and isinstance(height, int) and width and height else None
    where = f"{path}:/{inside}"
    shapes = [shape for entry in file.annotations.get(image["id"], ()) for shape in _shapes(entry, file, where)]
    return Drawing(tuple(shapes), size)


def _entries(
    path: Path, content: Any, name: str, keys: Mapping[str, tuple[type, ...]], needed: bool = True
) -> tuple[Entry, ...]:
    found = content.get(name, () if needed else []) if isinstance(content, dict) else ()
    if not isinstance(found, list):
        raise UnreadableFileError(path, f"has no list {name!r}", _MEND)
    for number, entry in enumerate(found):
        for key, kinds in keys.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(key), kinds):
                raise UnreadableFileError(path, f"{name}[{number}] has no {key}", _MEND)
    return tuple(found)


def _shapes(entry: Entry, file: Coco, where: str) -> list[Shape]:
    where = f"{where}, annotation {entry.get('id', '?')}"
    category = entry.get("category_id")
    name = file.categories.get(category) if isinstance(category, (int, str)) else None
    if name is None:
        raise InputError(where, f"its category {category!r} is not declared", "Add it to the categories.")
    drawn = entry.get("segmentation")
    if isinstance(drawn, dict):
        return [_run_lengths(drawn, name, where)]
    if not isinstance(drawn, list) or not drawn:
        mend = "Outline it, or take its image out: a box is no mask."
        raise InputError(where, f"{name!r} has a box and no outline" if entry.get("bbox") else "is empty", mend)
    return [_ring(ring, name, where) for ring in drawn]


def _ring(ring: Any, name: str, where: str) -> Shape:
    if not isinstance(ring, list) or len(ring) % 2:
        raise InputError(where, "a polygon that is no list of pairs x, y", "Mend or remove the annotation.")
    return polygon(name, points_of(ring[::2], ring[1::2], where), where)


def _run_lengths(drawn: Entry, name: str, where: str) -> Shape:
    size = drawn.get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):
        raise InputError(where, f"run lengths of the size {size!r}", "Mend or remove it.", "height and width")
    height, width = size
    return Shape(name, partial(_paint, drawn.get("counts"), (width, height), where), (0, 0, width, height))


def _paint(counts: Any, shape: tuple[int, int], where: str, canvas: np.ndarray) -> None:
    if canvas.shape != shape:
        found = " × ".join(map(str, shape))
        mend = "Pass the image it was drawn on, not a cropped or resized one."
        raise GridMismatchError(where, f"has run lengths of {found} pixels", mend, " × ".join(map(str, canvas.shape)))
    canvas |= marked(counts, shape, where)
