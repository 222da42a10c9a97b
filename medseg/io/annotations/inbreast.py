"""XML of INbreast: the regions that OsiriX saved for one image, as an Apple property list.

`Images` holds for each image its `ROIs`, each with a `Name` and its outline `Point_px` as texts "(x, y)". OsiriX
counts from the outer corner of the first pixel, whose centre is at 0.5; scripts that take whole numbers as centres
shift outlines by half a pixel.
"""

import plistlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np

from medseg.errors import InputError, UnreadableFileError
from medseg.io.annotations.files import bytes_of, parsed_once
from medseg.io.annotations.shapes import Drawing, Shape, pixels, points_of, polygon

__all__ = ["drawing"]

_LARGEST = 64 << 20
_POINT = re.compile(r"\s*\(\s*([^,()]+),\s*([^,()]+)\)\s*")
_MEND = "Fetch the XML file again."
# What plistlib lets through from broken files, besides its own refusals (entities among them).
_BROKEN = (ExpatError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


def drawing(path: Path, inside: str) -> Drawing:
    """The regions of the only image, or of the one with this `ImageIndex`.

    A calcification may be smaller than a pixel: an outline that holds no pixel's centre marks the pixels of its
    corners, and so do one or two points.

    Raises:
        UnreadableFileError: The file is broken.
        InputError: It has no such image, or a region cannot be drawn.
    """
    images = _images(path)
    if inside:
        images = tuple(image for image in images if str(image.get("ImageIndex")) == inside)
    if len(images) != 1:
        raise InputError(path, f"has {len(images)} images of this index", "Name one: FILE.xml:/INDEX.")
    rois = images[0].get("ROIs", [])
    if not isinstance(rois, list):
        raise UnreadableFileError(path, "has no list ROIs", _MEND)
    return Drawing(tuple(_shape(roi, f"{path}, ROI {number}") for number, roi in enumerate(rois, start=1)))


@parsed_once
def _images(path: Path) -> tuple[Mapping[str, Any], ...]:
    try:
        content = plistlib.loads(bytes_of(path, _LARGEST), fmt=plistlib.FMT_XML)
    except _BROKEN as error:
        raise UnreadableFileError(path, f"is no property list ({error})", _MEND) from error
    images = content.get("Images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise UnreadableFileError(path, "has no list Images", _MEND, "the XML of INbreast")
    return tuple(images)


def _shape(roi: Any, where: str) -> Shape:
    texts = roi.get("Point_px") if isinstance(roi, dict) else None
    name = str(roi.get("Name", "")).strip() if isinstance(roi, dict) else ""
    if not name or not isinstance(texts, list) or not texts:
        raise InputError(where, "has no Name or no Point_px", "Mend or remove the ROI.")
    pairs = [found.groups() for text in texts if isinstance(text, str) and (found := _POINT.fullmatch(text))]
    if len(pairs) < len(texts):
        raise InputError(where, f"{name!r} has points that are no pairs", "Mend or remove it.", 'texts "(x, y)"')
    points = points_of([x for x, _y in pairs], [y for _x, y in pairs], where)
    return pixels(name, points) if len(points) < 3 else _at_least_its_corners(polygon(name, points, where), points)


def _at_least_its_corners(outline: Shape, points: np.ndarray) -> Shape:
    low, high = np.floor(points.min(axis=0)).astype(np.int64), np.ceil(points.max(axis=0)).astype(np.int64)
    if (high - low).min() > 2:
        return outline
    canvas = np.zeros(np.maximum(high - low, 1), bool)
    polygon(outline.name, points - low, outline.name).paint(canvas)
    return outline if canvas.any() else pixels(outline.name, points)
