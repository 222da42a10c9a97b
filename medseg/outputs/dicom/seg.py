"""DICOM SEG: a mask as an object over its images, each segment with codes, colour and a name that tracks it.

The functional groups of thousands of frames and their pixels are written by `encoding` and `pixels`: highdicom and
pydicom take many times as long for them (`tests/benchmarks/dicom_seg.py`).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.atomic import atomic_path
from medseg.errors import InputError, OutputError
from medseg.image import Segmentation
from medseg.outputs.dicom import encoding
from medseg.outputs.dicom.frame_groups import per_frame
from medseg.outputs.dicom.header import short_text
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.pixels import Frames, packed
from medseg.outputs.dicom.seg_header import FULL, Kind, seg_header
from medseg.outputs.dicom.segments import (
    Plane,
    Segment,
    Segments,
    drawn,
    label_map_planes,
    probable,
    require_codes,
    segments_of,
)
from medseg.outputs.dicom.source import Source

if TYPE_CHECKING:
    import pandas as pd
    from pydicom import Dataset

__all__ = ["SegObject", "segmentation_object", "write_seg"]

_EMPTY = "Nothing was found"
_PER_FRAME, _PIXELS = 0x52009230, 0x7FE00010
_MOST = 2**32 - 2  # bytes of pixels without compression


@dataclass(frozen=True, eq=False)
class SegObject:
    """A DICOM SEG before it is written.

    Args:
        head: All but the groups of the frames and their pixels, which are the last elements of it.
        segments: Its segments.
        groups: The items of PerFrameFunctionalGroupsSequence.
        frames: The pixels.
        empty: Whether nothing is drawn.
    """

    head: "Dataset"
    segments: tuple[Segment, ...]
    groups: tuple[bytes, ...]
    frames: Frames
    empty: bool

    @property
    def uid(self) -> str:
        """SOPInstanceUID."""
        return str(self.head.SOPInstanceUID)

    def tail(self) -> Iterator[bytes]:
        """What follows the head."""
        yield encoding.item_sequence(_PER_FRAME, self.groups)
        yield encoding.head(_PIXELS, "OW" if self.frames.bits == 16 else "OB", self.frames.size)
        yield from self.frames.content()


def write_seg(path: Path, made: SegObject) -> Path:
    """Write a SEG, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    if made.frames.size > _MOST:
        found = f"{len(made.frames.stored)} frames of {made.frames.columns}×{made.frames.rows} pixels"
        raise OutputError(path, f"{found} are more than one object holds", "Write fewer labels at a time.", "4 GiB")
    with atomic_path(path) as temporary:
        made.head.save_as(temporary, enforce_file_format=True)
        with temporary.open("ab") as file:
            for piece in made.tail():
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    return path


def segmentation_object(
    source: Source,
    segmentation: Segmentation,
    author: Author,
    *,
    case: str = "",
    kind: Kind = "BINARY",
    segments: Segments = "label",
    regions: "pd.DataFrame | None" = None,
) -> SegObject:
    """A mask as a DICOM SEG.

    Args:
        source: The instances under its image.
        segmentation: The mask on the image's grid; for FRACTIONAL with probabilities.
        author: What made it.
        case: The id that regions have in the table.
        kind: BINARY; FRACTIONAL, of the labels' probabilities; LABELMAP, one number a voxel, which few programs read.
        segments: A segment for each label, or for each region; the latter for BINARY only.
        regions: The region table, by which regions are tracked.

    Raises:
        LabelError: A label has no codes.
        InputError: The kind does not fit the segmentation, or the table is that of another one.
    """
    require_codes(segmentation.labels)
    _require_kind(source, segmentation, kind, segments)
    listed, by_number = segments_of(
        segmentation, segments, case=case or source.series, series=source.series, author=author, regions=regions
    )
    columns, rows = segmentation.geometry.shape[:2]
    bits = {"BINARY": 1, "FRACTIONAL": 8, "LABELMAP": 8 if len(listed) < 256 else 16}[kind]
    planes: Iterator[Plane]
    if kind == "FRACTIONAL":
        assert segmentation.probabilities is not None
        planes = probable(segmentation.probabilities, FULL)
    elif kind == "LABELMAP":
        planes = label_map_planes(segmentation, bits)
    else:
        planes = drawn(segmentation, listed, by_number)
    frames = packed(planes, rows, columns, bits, 0 if kind == "LABELMAP" else 1)
    empty = len(frames.stored) == 1 and not any(frames.stored[0])
    overlap = kind == "FRACTIONAL" or (not segmentation.labels.exclusive and kind != "LABELMAP")
    head = seg_header(source, segmentation.geometry, listed, frames, author, kind, "UNDEFINED" if overlap else "NO")
    head.ContentDescription = _EMPTY if empty else short_text(f"{len(listed)} segments", 64)
    return SegObject(head, listed, per_frame(source, segmentation.geometry, frames, kind), frames, empty)


def _require_kind(source: Source, segmentation: Segmentation, kind: Kind, segments: Segments) -> None:
    where = source.where
    if kind == "FRACTIONAL" and segmentation.probabilities is None:
        raise InputError(where, "there are no probabilities for a FRACTIONAL SEG", "Write it BINARY.")
    if kind == "LABELMAP" and not segmentation.labels.exclusive:
        raise InputError(where, "the labels overlap, which no LABELMAP can hold", "Write it BINARY.")
    if kind != "BINARY" and segments == "region":
        raise InputError(where, f"a segment for each region of a {kind} SEG", "Write it BINARY.")
