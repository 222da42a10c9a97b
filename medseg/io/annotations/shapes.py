"""What was drawn on an image, and how it is painted.

All positions are counted from the outer corner of the first pixel, which covers 0 to 1 along both axes and has its
centre at 0.5; each format turns its own way of counting into this one. A pixel belongs to a shape whose outline
runs round its centre.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import InputError
from medseg.io.polygons import filled

__all__ = ["Box", "Drawing", "Shape", "ellipse", "pixels", "points_of", "polygon", "rectangle"]

_FARTHEST = 1e6  # pixels; no radiograph is so large, and arithmetic stays exact
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Shape:
    """Something drawn on one image.

    Args:
        name: What it is called: the structure, or the category of a lesion.
        paint: Marks its pixels in a boolean array of shape (x, y).
        box: What it covers: first x and y, last x and y.
    """

    name: str
    paint: Callable[[np.ndarray], None]
    box: Box


@dataclass(frozen=True)
class Drawing:
    """All that a file says of one image.

    Args:
        shapes: What is drawn; nothing where the image was looked at and nothing found.
        size: Pixels along x and y of the image it was drawn on, where the file says it.
        notes: What was left out, and why.
    """

    shapes: tuple[Shape, ...]
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


def points_of(x: object, y: object, where: str | Path) -> np.ndarray:
    """Corners, shape (points, 2), of two lists of numbers.

    Raises:
        InputError: They are no numbers, not finite or absurdly large, or the lists differ in length.
    """
    try:
        points = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=-1)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or not (np.abs(points) <= _FARTHEST).all():  # false of NaN, too
        raise InputError(
            where, "its coordinates are no list of finite numbers, or absurdly large", "Mend or remove the shape."
        )
    return points


def polygon(name: str, corners: np.ndarray, where: str | Path) -> Shape:
    """A closed outline, filled by the even-odd rule; the last corner is joined to the first.

    Args:
        name: What it shows.
        corners: Shape (points, 2).
        where: What to name in an error.

    Raises:
        InputError: It has fewer than three corners.
    """
    if len(corners) < 3:
        raise InputError(where, f"an outline of {len(corners)} points", "Mend or remove the shape.", "at least 3")
    low, high = corners.min(axis=0), corners.max(axis=0)

    def paint(canvas: np.ndarray) -> None:
        first, piece = _window(canvas, low, high)
        if piece.size:
            piece |= filled([corners - 0.5 - first], piece.shape)

    return Shape(name, paint, _box(low, high))


def rectangle(name: str, corner: Sequence[float], size: Sequence[float], where: str | Path) -> Shape:
    """A box by its first corner and its size along x and y.

    Raises:
        InputError: The numbers are not finite.
    """
    (x, y), (width, height) = corner, size
    return polygon(name, points_of([x, x + width, x + width, x], [y, y, y + height, y + height], where), where)


def ellipse(
    name: str, centre: Sequence[float], radii: Sequence[float], where: str | Path, turned: float = 0.0
) -> Shape:
    """An ellipse or circle, its edge included.

    Args:
        name: What it shows.
        centre: Its x and y.
        radii: Its half axes, the first along x before it is turned.
        where: What to name in an error.
        turned: Radians from x towards y.

    Raises:
        InputError: A number is not finite, or a radius is not above 0.
    """
    (x, y), (a, b), (angle, _) = points_of([centre[0], radii[0], turned], [centre[1], radii[1], 0.0], where)
    if not (a > 0 and b > 0):
        raise InputError(where, f"a circle or ellipse of radius {min(a, b):g}", "Mend or remove the shape.", "above 0")
    middle = np.array([x, y])
    reach = np.hypot([a * np.cos(angle), a * np.sin(angle)], [b * np.sin(angle), b * np.cos(angle)])

    def paint(canvas: np.ndarray) -> None:
        first, piece = _window(canvas, middle - reach, middle + reach)
        right, down = (np.arange(n) + f + 0.5 - m for n, f, m in zip(piece.shape, first, middle, strict=True))
        along = right[:, None] * np.cos(angle) + down * np.sin(angle)
        across = down * np.cos(angle) - right[:, None] * np.sin(angle)
        piece |= (along * b) ** 2 + (across * a) ** 2 <= (a * b) ** 2

    return Shape(name, paint, _box(middle - reach, middle + reach))


def pixels(name: str, points: np.ndarray) -> Shape:
    """The pixels in which points lie, shape (points, 2)."""
    places = np.floor(points).astype(np.int64)

    def paint(canvas: np.ndarray) -> None:
        inside = places[((places >= 0) & (places < canvas.shape)).all(axis=1)]
        canvas[inside[:, 0], inside[:, 1]] = True

    return Shape(name, paint, _box(places.min(axis=0), places.max(axis=0) + 1))


def _window(canvas: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a canvas that a box touches, and where it begins: small shapes on large films are many."""
    first = np.floor(low).clip(0, canvas.shape).astype(np.int64)
    beyond = np.ceil(high).clip(first, canvas.shape).astype(np.int64)
    return first, canvas[first[0] : beyond[0], first[1] : beyond[1]]


def _box(low: np.ndarray, high: np.ndarray) -> Box:
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
