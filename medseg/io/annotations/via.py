"""CSV of the VGG Image Annotator: a row for each region that was drawn on an image.

Positions are those of the browser's canvas, counted from the outer corner of the first pixel and rounded to whole
numbers: the first pixel's centre is at 0.5. An open line is closed: who outlines a lesion with it means what is
inside. A region is called by the first of its attributes that has a value, else "lesion".
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from medseg.errors import InputError, UnreadableFileError
from medseg.io.annotations.files import parsed_once, rows_of
from medseg.io.annotations.shapes import Drawing, Shape, ellipse, points_of, polygon, rectangle

__all__ = ["NAMELESS", "Region", "drawing", "is_table", "key_of", "regions"]

NAMELESS = "lesion"
_FILE, _SHAPE, _NAMES = "filename", "region_shape_attributes", "region_attributes"
_WITHOUT_AREA = ("point",)
Attributes = Mapping[str, Any]
Region = tuple[int, Attributes, str]


def is_table(names: Iterable[str]) -> bool:
    """Whether columns with these names are those of VIA."""
    return {_FILE, _SHAPE, _NAMES} <= {name.lstrip("#") for name in names}


def key_of(file_name: str) -> str:
    """The name of an image without ending and spaces, which tables of regions have where disks have none."""
    return "".join(Path(file_name).stem.split()).casefold()


@parsed_once
def regions(path: Path) -> Mapping[str, tuple[Region, ...]]:
    """The regions of each image by its `key_of`: line, shape and name.

    Raises:
        UnreadableFileError: It is no such table, or a row is broken.
    """
    names, rows = rows_of(path)
    if not is_table(names):
        raise UnreadableFileError(path, f"has the columns {', '.join(names)}", "Export it from VIA as CSV.")
    column = next(name for name in names if name.lstrip("#") == _FILE)
    found: dict[str, list[Region]] = {}
    for line, row in rows:
        own = found.setdefault(key_of(row[column]), [])
        shape = _object(row[_SHAPE], f"{path}, line {line}")
        if shape:
            own.append((line, shape, _name(_object(row[_NAMES], f"{path}, line {line}"))))
    return {key: tuple(own) for key, own in found.items()}


def drawing(path: Path, inside: str) -> Drawing:
    """The regions of the image with this file name.

    Raises:
        UnreadableFileError: The file is broken.
        InputError: It does not list the image, or a region cannot be drawn.
    """
    found = regions(path)
    if key_of(inside) not in found:
        raise InputError(path, f"has no row for an image {inside!r}", "Name one: FILE:/IMAGE.jpg.")
    shapes, notes = [], []
    for line, shape, name in found[key_of(inside)]:
        kind = shape.get("name")
        where = f"{path}, line {line}"
        if kind in _WITHOUT_AREA:
            notes.append(f"line {line}: a {kind} has no area and is left out")
        elif isinstance(kind, str) and kind in _KINDS:
            shapes.append(_drawn(kind, name, shape, where))
        else:
            raise InputError(where, f"a region of the kind {kind!r}", "Mend or remove it.", ", ".join(_KINDS))
    return Drawing(tuple(shapes), notes=tuple(notes))


def _object(text: str, where: str) -> Attributes:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(where, f"the attributes {text[:40]!r} are no JSON", "Mend the quotes.") from error
    if not isinstance(found, dict):
        raise UnreadableFileError(where, f"the attributes {text[:40]!r}", "Mend them.", "an object")
    return found


def _name(attributes: Attributes) -> str:
    """The first attribute's value: a text, or of several boxes to tick the first that is ticked."""
    for value in attributes.values():
        ticked = next((key for key, on in value.items() if on), "") if isinstance(value, dict) else value
        if isinstance(ticked, str) and ticked.strip():
            return ticked.strip()
    return NAMELESS


def _drawn(kind: str, name: str, shape: Attributes, where: str) -> Shape:
    try:
        return _KINDS[kind](name, shape, where)
    except (KeyError, TypeError, OverflowError) as error:
        raise InputError(where, f"a {kind} without its numbers ({error})", "Mend or remove it.") from error


def _polygon(name: str, shape: Attributes, where: str) -> Shape:
    return polygon(name, points_of(shape["all_points_x"], shape["all_points_y"], where), where)


def _circle(name: str, shape: Attributes, where: str) -> Shape:
    return ellipse(name, (shape["cx"], shape["cy"]), (shape["r"], shape["r"]), where)


def _ellipse(name: str, shape: Attributes, where: str) -> Shape:
    return ellipse(
        name, (shape["cx"], shape["cy"]), (shape["rx"], shape["ry"]), where, turned=shape.get("theta") or 0.0
    )


def _rectangle(name: str, shape: Attributes, where: str) -> Shape:
    return rectangle(name, (shape["x"], shape["y"]), (shape["width"], shape["height"]), where)


_KINDS: dict[str, Callable[[str, Attributes, str], Shape]] = {
    "polygon": _polygon,
    "polyline": _polygon,
    "circle": _circle,
    "ellipse": _ellipse,
    "rect": _rectangle,
}
