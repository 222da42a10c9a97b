"""What the header of a SEG or RTSTRUCT says of it: its structures' names, what it was drawn on, and who drew it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.errors import UnreadableFileError
from medseg.io.dicom.headers import dataset
from medseg.io.dicom.structures import contours, segments
from medseg.io.dicom.structures.objects import guarded, kind_of

__all__ = ["StructureSource", "read_source"]

# Who or what made it, the plainest word first.
_MAKERS = (
    ("ContentCreatorName", "OperatorsName", "ReviewerName"),
    ("SeriesDescription",),
    ("StructureSetLabel", "ContentLabel"),
    ("Manufacturer",),
)


@dataclass(frozen=True)
class StructureSource:
    """One SEG or RTSTRUCT, by its header.

    Args:
        path: The file.
        names: What its structures are called when they are read.
        series: UIDs of the series that it names as its source.
        instances: UIDs of the images that it names.
        frames: UIDs of the frames of reference in which it was drawn.
        makers: Who made it: a person's name, the description of the series, a label of the object, the manufacturer;
            each empty where it is not said.
    """

    path: Path
    names: tuple[str, ...]
    series: frozenset[str]
    instances: frozenset[str]
    frames: frozenset[str]
    makers: tuple[str, ...]


def read_source(path: Path) -> StructureSource:
    """What the header of a SEG or RTSTRUCT says; no pixel is read.

    Raises:
        UnreadableFileError: It is neither, or its header does not hold together.
    """
    kind = kind_of(path)
    if kind is None:
        raise UnreadableFileError(path, "is no DICOM SEG or RTSTRUCT", "Pass one of these.")
    return guarded(path, lambda: _source(dataset(path), kind == "SEG", path))[0]


def _source(header: Any, is_seg: bool, path: Path) -> StructureSource:
    names = (segments.segment_names if is_seg else contours.region_names)(header, path)
    series = segments.referenced_series(header) if is_seg else contours.referenced_series(header)
    frames = [str(header.get("FrameOfReferenceUID", ""))] if is_seg else contours.referenced_frames(header)
    images = _listed_images(header) if is_seg else _contoured_images(header)
    instances = frozenset(str(item.get("ReferencedSOPInstanceUID", "")) for item in images)
    makers = tuple(next((said for name in group if (said := _text(header, name))), "") for group in _MAKERS)
    return StructureSource(path, names, _known(series), instances - {""}, _known(frames), makers)


def _listed_images(header: Any) -> Iterator[Any]:
    """The images that a SEG names as a whole, else those that its frames were derived from."""
    named = [image for series in _items(header, "ReferencedSeriesSequence") for image in _items(series, _INSTANCES)]
    named += _items(header, "SourceImageSequence")
    yield from named
    if not named:
        for frame in _items(header, "PerFrameFunctionalGroupsSequence"):
            for derivation in _items(frame, "DerivationImageSequence"):
                yield from _items(derivation, "SourceImageSequence")


_INSTANCES = "ReferencedInstanceSequence"


def _contoured_images(header: Any) -> Iterator[Any]:
    """The images that a structure set names as a whole, else those that its contours were drawn on."""
    named = [
        image
        for frame in _items(header, "ReferencedFrameOfReferenceSequence")
        for study in _items(frame, "RTReferencedStudySequence")
        for series in _items(study, "RTReferencedSeriesSequence")
        for image in _items(series, "ContourImageSequence")
    ]
    yield from named
    if not named:
        for region in _items(header, "ROIContourSequence"):
            for contour in _items(region, "ContourSequence"):
                yield from _items(contour, "ContourImageSequence")


def _items(item: Any, name: str) -> list[Any]:
    return list(item.get(name) or ())


def _known(uids: list[str]) -> frozenset[str]:
    return frozenset(uid for uid in uids if uid)


def _text(header: Any, name: str) -> str:
    return str(header.get(name) or "").strip()
