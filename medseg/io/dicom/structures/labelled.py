"""SEG and RTSTRUCT to named labels on an image's grid."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg.errors import LabelError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io.dicom.structures import contours, segments
from medseg.io.dicom.structures.objects import check_reference, guarded, kind_of, opened
from medseg.io.dicom.structures.painting import (
    Drawing,
    Piece,
    Structure,
    chosen,
    fractions,
    label_map,
    label_of,
    overlap_error,
    stack,
)
from medseg.io.label_map import LabelMap
from medseg.labels import IGNORE_INDEX, Labels
from medseg.options import ReadOptions

__all__ = ["kind_of", "read_labelled", "read_labelled_map"]

_MOST = IGNORE_INDEX - 1  # labels that class indices can tell apart


def read_labelled(
    path: Path,
    inside: str,
    on: Image | Geometry | None,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
) -> Segmentation:
    """The structures of a SEG or RTSTRUCT; see `medseg.io.structures.read_segmentation`."""
    options = options or ReadOptions()
    segmentation, warned = guarded(path, lambda: _segmentation(path, inside, on, labels, options))
    return replace(segmentation, notes=(*segmentation.notes, *warned))


def read_labelled_map(
    path: Path, inside: str, on: Image | Geometry | None, options: ReadOptions, labels: Labels | None = None
) -> LabelMap:
    """Its label map: structure numbers, or 0 and 1 where `inside` picks one.

    Where `labels` declare names of structures, these say the values, and structures that they do not name are left
    out; of labels that overlap, the map is a stack, shape (labels, x, y[, z]).

    Raises:
        LabelError: Structures overlap; their names are listed.
        MedsegError: Whatever `read_labelled` raises.
    """

    def work() -> LabelMap:
        drawing = _drawing(path, on, options)
        meant = chosen(drawing.structures, inside, path)
        if labels is not None and labels.structures and not inside:
            return _by_name(drawing, meant, labels, path)
        mask, shared = label_map(drawing, frozenset(one.number for one in meant))
        if shared is not None:
            raise overlap_error(drawing, meant, shared, path)
        return LabelMap(_binary(mask) if inside else mask, drawing.geometry, _notes(drawing, meant))

    found, warned = guarded(path, work)
    return replace(found, notes=(*found.notes, *warned))


def _by_name(drawing: Drawing, structures: tuple[Structure, ...], labels: Labels, path: Path) -> LabelMap:
    """The structures that labels name, in the labels' values."""
    values = {one.number: labels.value_of(one.name) for one in structures}
    wanted = {number: value for number, value in values.items() if value is not None}

    def in_values(given: frozenset[int]) -> Iterator[Piece]:
        for piece in drawing.pieces(frozenset(number for number, value in wanted.items() if value in given)):
            yield replace(piece, number=wanted[piece.number])

    by_value = replace(drawing, pieces=in_values)
    if not labels.exclusive:
        return LabelMap(stack(by_value, labels.written_values[1:]), drawing.geometry, _notes(drawing, structures))
    mask, shared = label_map(by_value, frozenset(wanted.values()))
    if shared is not None:
        meant = tuple(one for one in structures if one.number in wanted)
        raise overlap_error(drawing, meant, shared, path)
    return LabelMap(mask, drawing.geometry, _notes(drawing, structures))


def _drawing(path: Path, on: Image | Geometry | None, options: ReadOptions) -> Drawing:
    grid = on.geometry if isinstance(on, Image) else on
    facts = on.facts if isinstance(on, Image) else {}
    dataset = opened(path)
    if kind_of(path) == "SEG":
        frames, series = [str(dataset.get("FrameOfReferenceUID", ""))], segments.referenced_series(dataset)
        notes = check_reference(path, facts, frames, series, options.across_frames)
        drawing = segments.read_segments(dataset, path, grid)
    else:
        frames, series = contours.referenced_frames(dataset), contours.referenced_series(dataset)
        notes = check_reference(path, facts, frames, series, options.across_frames)
        drawing = contours.read_contours(dataset, path, grid)
    return replace(drawing, notes=notes + drawing.notes)


def _segmentation(
    path: Path, inside: str, on: Image | Geometry | None, labels: Labels | None, options: ReadOptions
) -> Segmentation:
    drawing = _drawing(path, on, options)
    meant = chosen(drawing.structures, inside, path)
    numbers = tuple(one.number for one in meant)
    mask, shared = label_map(drawing, frozenset(numbers))
    values = (1,) if inside else numbers
    named = labels or _own_labels(meant, values, path)
    named = replace(named, exclusive=named.exclusive and shared is None)
    mask = _binary(mask) if inside else mask
    if not named.exclusive:
        channels = stack(drawing, numbers)
        _check_declared(values, lambda i: bool(channels[i].any()), named, path)
        mask = _by_label(channels, values, named)
    elif labels:
        _check_declared(values, lambda i: bool((mask == values[i]).any()), named, path)
    parts = _by_label(fractions(drawing, numbers), values, named) if drawing.fractional else None
    image = on if isinstance(on, Image) else None
    return Segmentation(mask, drawing.geometry, named, parts, image, _notes(drawing, meant))


def _notes(drawing: Drawing, structures: tuple[Structure, ...]) -> tuple[str, ...]:
    return (*drawing.notes, *(note for one in structures for note in one.notes))


def _own_labels(structures: tuple[Structure, ...], values: tuple[int, ...], path: Path) -> Labels:
    if len(structures) > _MOST:
        raise LabelError(
            path,
            f"has {len(structures)} structures",
            f"Pick one as {path.name}:/NAME, or read numbers with medseg.io.read_mask.",
            f"at most {_MOST}",
        )
    named = zip(structures, values, strict=True)
    return Labels(tuple(label_of(one, position, value) for position, (one, value) in enumerate(named)))


def _check_declared(values: tuple[int, ...], drawn: Callable[[int], bool], labels: Labels, path: Path) -> None:
    """Refuse structures that draw something and whose value no label has."""
    declared = {value for label in labels.labels for value in label.values} | {*labels.background, labels.ignore}
    unknown = [value for i, value in enumerate(values) if value not in declared and drawn(i)]
    if unknown:
        raise LabelError(path, f"structure numbers {unknown} are not declared", "Declare them as values of a label.")


def _by_label(channels: np.ndarray, values: tuple[int, ...], labels: Labels) -> np.ndarray:
    """Channels of structures with these file values to channels of labels, which may unite several."""
    wanted = [[i for i, value in enumerate(values) if value in label.values] for label in labels.labels]
    if wanted == [[i] for i in range(len(values))]:
        return channels
    return np.stack([channels[of_label].max(axis=0, initial=0) for of_label in wanted])


def _binary(mask: np.ndarray) -> np.ndarray:
    return (mask != 0).astype(np.uint8)
