"""DICOM SEG: segments drawn frame by frame, each frame placed by its position in space and never by its number."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from medseg.errors import GeometryError, GridMismatchError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.structures.colours import rgb_of_cielab
from medseg.io.dicom.structures.frame_groups import frame_groups, located, segment_number
from medseg.io.dicom.structures.frames import Frames
from medseg.io.dicom.structures.objects import whole_number
from medseg.io.dicom.structures.painting import Drawing, Piece, Structure, unique_names
from medseg.labels import Code, Coding

__all__ = ["read_segments", "referenced_series", "segment_names"]

_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
_BACKGROUND = ("DCM", "125040")
Box = tuple[slice, slice]


@dataclass(frozen=True)
class _Placing:
    """The frames, the turned grid, where each begins on that, and which segment each draws (0: a label map's all).

    `full` is the value of a whole voxel in fractional frames, 1 in others.
    """

    path: Path
    frames: Frames
    grid: Geometry
    starts: np.ndarray
    numbers: Sequence[int]
    full: int = 1


def read_segments(dataset: Any, path: Path, on: Geometry | None) -> Drawing:
    """The segments of a SEG on the image's grid, or on the grid of its frames where none is given.

    Args:
        dataset: The whole data set.
        path: Its file, for errors.
        on: The image's grid.

    Raises:
        UnreadableFileError: The header does not hold together, or it is of a slide.
        GeometryError: The frames have no places, or none on one regular grid.
        GridMismatchError: A frame lies beside the voxels of `on`, or draws outside of it.
    """
    kind = _kind(dataset, path)
    frames = Frames.of(dataset, path)
    structures, background = _structures(dataset, kind, path)
    known = frozenset(one.number for one in structures) | background
    groups = frame_groups(dataset, frames, path)
    numbers = [0] * frames.count if kind == "LABELMAP" else [segment_number(group, path) for group in groups]
    _check_listed(numbers, known, path)
    geometry, turn, starts, notes = located(groups, frames, on, path)
    _check_places(starts, numbers, path)
    placing = _Placing(path, frames, geometry.reoriented(turn), starts, numbers)
    if kind == "LABELMAP":
        return Drawing(structures, geometry, turn, partial(_label_pieces, placing, known), notes=notes)
    if kind == "BINARY":
        return Drawing(structures, geometry, turn, partial(_segment_pieces, placing), notes=notes)
    what = str(dataset.get("SegmentationFractionalType", "") or "fraction").lower()
    notes += (f"fractional segments ({what}): voxels of at least one half are in the mask",)
    placing = replace(placing, full=whole_number(dataset, "MaximumFractionalValue", path))
    return Drawing(structures, geometry, turn, partial(_fractional_pieces, placing), True, notes)


def referenced_series(dataset: Any) -> list[str]:
    """UIDs of the series that a SEG names as its source."""
    return [str(item.get("SeriesInstanceUID", "")) for item in dataset.get("ReferencedSeriesSequence") or []]


def segment_names(dataset: Any, path: Path) -> tuple[str, ...]:
    """What the segments of a SEG are called when they are read; its pixels are not needed.

    Raises:
        UnreadableFileError: The header does not hold together.
    """
    structures, _background = _structures(dataset, _kind(dataset, path), path)
    return tuple(one.name for one in structures)


def _kind(dataset: Any, path: Path) -> str:
    kind = str(dataset.get("SegmentationType", ""))
    if kind not in _KINDS:
        raise UnreadableFileError(path, f"SegmentationType is {kind!r}", EXPORT_AGAIN, f"one of {', '.join(_KINDS)}")
    return kind


def _structures(dataset: Any, kind: str, path: Path) -> tuple[tuple[Structure, ...], frozenset[int]]:
    """The segments in the order of their numbers, and the numbers that mean background."""
    items = sorted(
        (whole_number(item, "SegmentNumber", path, 0), position, item)
        for position, item in enumerate(dataset.get("SegmentSequence") or [])
    )
    numbers = [number for number, _position, _item in items]
    if len(set(numbers)) < len(numbers):
        raise UnreadableFileError(path, f"SegmentSequence lists a number twice: {numbers}", EXPORT_AGAIN)
    codes = {number: _coding(item) for number, _position, item in items}
    background = {n for n, code in codes.items() if code and (code.type.scheme, code.type.value) == _BACKGROUND}
    background |= {int(dataset.get("PixelPaddingValue") or 0) if kind == "LABELMAP" else 0}
    if 0 in numbers and 0 not in background:
        raise UnreadableFileError(path, "uses 0, which stands for background, as a segment", "Number segments from 1.")
    kept = [(number, item) for number, _position, item in items if number not in background]
    if not kept:
        raise UnreadableFileError(path, "SegmentSequence lists no segment", EXPORT_AGAIN)
    names = unique_names([str(item.get("SegmentLabel", "") or f"segment {number}") for number, item in kept])
    return tuple(
        Structure(number, name, rgb_of_cielab(item.get("RecommendedDisplayCIELabValue")), codes[number])
        for (number, item), name in zip(kept, names, strict=True)
    ), frozenset(background)


def _coding(item: Any) -> Coding | None:
    """What a segment says of itself in codes; `None` where it does not say its type."""
    type_, region = (_first(item, name) for name in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence"))
    if type_ is None:
        return None
    return Coding(
        _code(type_),
        _nested(item, "SegmentedPropertyCategoryCodeSequence"),
        _nested(type_, "SegmentedPropertyTypeModifierCodeSequence"),
        None if region is None else _code(region),
        None if region is None else _nested(region, "AnatomicRegionModifierSequence"),
    )


def _nested(item: Any, name: str) -> Code | None:
    found = _first(item, name)
    return None if found is None else _code(found)


def _first(item: Any, name: str) -> Any:
    listed = item.get(name)
    return listed[0] if listed else None


def _code(coded: Any) -> Code:
    value = next((coded.get(name) for name in ("CodeValue", "LongCodeValue", "URNCodeValue") if coded.get(name)), "")
    return Code(str(coded.get("CodingSchemeDesignator", "")), str(value), str(coded.get("CodeMeaning", "")))


def _check_listed(numbers: Iterable[int], known: frozenset[int], path: Path) -> None:
    unlisted = sorted(set(numbers) - {0} - known)
    if unlisted:
        found = f"draws segment {unlisted[0]}, which SegmentSequence does not list"
        raise UnreadableFileError(path, found, EXPORT_AGAIN)


def _check_places(starts: np.ndarray, numbers: Sequence[int], path: Path) -> None:
    """Refuse two frames of one segment at one place: a segmentation of several times, or of several images."""
    places = {(number, *start) for number, start in zip(numbers, starts.tolist(), strict=True)}
    if len(places) < len(numbers):
        raise GeometryError(
            path,
            f"{len(numbers) - len(places)} frames lie at the place of another frame of their segment",
            "Split it into one file for each time point or image.",
        )


def _segment_pieces(placing: _Placing, wanted: frozenset[int]) -> Iterator[Piece]:
    for index, values, box in _drawn_boxes(placing, wanted):
        yield Piece(placing.numbers[index], _where(placing, index, box), values[box] != 0)


def _fractional_pieces(placing: _Placing, wanted: frozenset[int]) -> Iterator[Piece]:
    for index, values, box in _drawn_boxes(placing, wanted):
        stored = values[box].astype(np.float32)
        fraction = stored / placing.full
        yield Piece(placing.numbers[index], _where(placing, index, box), 2 * stored >= placing.full, fraction)


def _drawn_boxes(placing: _Placing, wanted: frozenset[int]) -> Iterator[tuple[int, np.ndarray, Box]]:
    """The frames of these segments, axes (column, row), each with the box around what it draws; empty ones are left."""
    indices = [index for index, number in enumerate(placing.numbers) if number in wanted]
    for index, frame in zip(indices, placing.frames.decoded(indices), strict=True):
        for rows, columns in find_objects((frame != 0).view(np.uint8)):
            yield index, frame.T, (columns, rows)


def _label_pieces(placing: _Placing, known: frozenset[int], wanted: frozenset[int]) -> Iterator[Piece]:
    for index, frame in enumerate(placing.frames.decoded(range(placing.frames.count))):
        boxes = {number: box[::-1] for number, box in enumerate(find_objects(frame), start=1) if box is not None}
        _check_listed(boxes, known, placing.path)
        for number in boxes.keys() & wanted:
            yield Piece(number, _where(placing, index, boxes[number]), frame.T[boxes[number]] == number)


def _where(placing: _Placing, index: int, box: Box) -> tuple[slice | int, ...]:
    """Index into the turned grid of a box of pixels of a frame, which must not draw outside of it."""
    column, row, *slices = (int(first) for first in placing.starts[index])
    spans = slice(column + box[0].start, column + box[0].stop), slice(row + box[1].start, row + box[1].stop)
    corners = np.array([(span.start, span.stop - 1) for span in (*spans, *(slice(k, k + 1) for k in slices))])
    beyond = np.maximum(-corners[:, 0], corners[:, 1] + 1 - placing.grid.shape).clip(0)
    if beyond.any():
        raise GridMismatchError(
            placing.path,
            f"frame {index + 1} draws outside of the image's grid ({placing.grid.describe()}), "
            f"by {' × '.join(str(n) for n in beyond)} voxel(s)",
            "Pass the whole image that it was drawn on.",
        )
    return (*spans, *slices)
