"""RTSTRUCT: regions of interest and their contours, to be drawn on the grid of an image."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from medseg.errors import GeometryError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.structures.contour_planes import Region, drawn_pieces
from medseg.io.dicom.structures.objects import whole_number
from medseg.io.dicom.structures.painting import Drawing, Structure, unique_names

__all__ = ["read_contours", "referenced_frames", "referenced_series", "region_names"]

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


def read_contours(dataset: Any, path: Path, on: Geometry | None) -> Drawing:
    """The regions of a structure set on the image's grid.

    Contours of one ROI on one slice count by the even-odd rule: a contour within another is a hole. A ROI's number
    is its place in the order of the ROI numbers of the file, from 1.

    Args:
        dataset: The whole data set.
        path: Its file, for errors.
        on: The image's grid, which must be given.

    Raises:
        GeometryError: There is no image grid.
        UnreadableFileError: The contours do not hold together.
    """
    if on is None or on.ndim != 3:
        raise GeometryError(
            path,
            "holds contours, which have no voxels of their own" if on is None else "holds contours and the image is 2D",
            "Pass the volume that they were drawn on: read_segmentation(path, on=image).",
        )
    regions = _regions(dataset, path)
    structures = tuple(region.structure for region in regions)
    return Drawing(structures, on, on.to_canonical, partial(drawn_pieces, regions, on, path))


def referenced_frames(dataset: Any) -> list[str]:
    """UIDs of the frames of reference that the regions of a structure set lie in."""
    return [str(item.get("ReferencedFrameOfReferenceUID", "")) for item in dataset.get("StructureSetROISequence") or []]


def referenced_series(dataset: Any) -> list[str]:
    """UIDs of the series that a structure set names as its source."""
    return [
        str(series.get("SeriesInstanceUID", ""))
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
    ]


def region_names(dataset: Any, path: Path) -> tuple[str, ...]:
    """What the regions of a structure set are called when they are read.

    Raises:
        UnreadableFileError: It lists none, or one twice.
    """
    return tuple(name for _number, name in _listed(dataset, path))


def _listed(dataset: Any, path: Path) -> list[tuple[int, str]]:
    """Number and name of each region, in the order of their numbers."""
    listed = sorted(
        (whole_number(item, "ROINumber", path, 0), position, str(item.get("ROIName", "") or ""))
        for position, item in enumerate(dataset.get("StructureSetROISequence") or [])
    )
    numbers = [number for number, _position, _name in listed]
    if not listed or len(set(numbers)) < len(numbers):
        raise UnreadableFileError(path, f"StructureSetROISequence lists the regions {numbers}", EXPORT_AGAIN)
    return list(zip(numbers, unique_names([name for _number, _position, name in listed]), strict=True))


def _regions(dataset: Any, path: Path) -> list[Region]:
    """The regions in the order of their numbers."""
    listed = _listed(dataset, path)
    numbers = [number for number, _name in listed]
    drawn: dict[int, Any] = {}
    for item in dataset.get("ROIContourSequence") or []:
        number = whole_number(item, "ReferencedROINumber", path, 0)
        if number not in numbers or number in drawn:
            found = "draws twice" if number in drawn else "draws but does not list"
            raise UnreadableFileError(path, f"{found} region {number}", EXPORT_AGAIN)
        drawn[number] = item
    regions = []
    for position, (number, name) in enumerate(listed, start=1):
        item = drawn.get(number, {})
        contours, left_out = _contours(item, name, path)
        notes = [f"{name!r}: contours left out: {left_out}"] if left_out else []
        notes += [] if contours else [f"{name!r} has no closed contour and is empty"]
        regions.append(Region(Structure(position, name, _colour(item), notes=tuple(notes)), contours))
    return regions


def _contours(item: Any, name: str, path: Path) -> tuple[tuple[np.ndarray, ...], str]:
    """The closed contours of a ROI, and in words what is left out."""
    kept: dict[bytes, np.ndarray] = {}
    left_out = Counter[str]()
    for contour in item.get("ContourSequence") or []:
        kind = str(contour.get("ContourGeometricType", "") or "untyped")
        points = _points(contour, name, path) if kind in _CLOSED else np.empty((0, 3))
        if kind not in _CLOSED:
            left_out[kind] += 1
        elif len(points) < 3:
            left_out[f"{kind} of less than three points"] += 1
        elif points.tobytes() in kept:
            left_out["drawn twice"] += 1
        else:
            kept[points.tobytes()] = points
    return tuple(kept.values()), ", ".join(f"{count} {what}" for what, count in left_out.items())


def _colour(item: Any) -> tuple[int, int, int] | None:
    stored = item.get("ROIDisplayColor")
    if stored is None or len(stored) != 3:
        return None
    red, green, blue = (min(max(int(part), 0), 255) for part in stored)
    return red, green, blue


def _points(contour: Any, name: str, path: Path) -> np.ndarray:
    """Corners of a contour in RAS mm; read from the stored text, which is many times faster than pydicom's numbers."""
    element = contour.get_item("ContourData")
    stored = b"" if element is None else element.value
    parts = stored.split(b"\\") if isinstance(stored, bytes) else (stored or [])
    numbers = np.array([float(part) for part in parts], dtype=np.float64)
    declared = contour.get("NumberOfContourPoints")
    if len(numbers) % 3 or not np.isfinite(numbers).all() or int(declared or len(numbers) // 3) * 3 != len(numbers):
        raise UnreadableFileError(
            path,
            f"has a contour of {name!r} that declares {declared} points and holds {len(numbers)} numbers",
            EXPORT_AGAIN,
            "three finite numbers for each",
        )
    return numbers.reshape(-1, 3) * _LPS_TO_RAS
