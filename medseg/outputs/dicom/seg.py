"""DICOM SEG: a mask as an object over its images, each segment with codes, colour and a name that tracks it.

The functional groups of thousands of frames and their pixels are written by `encoding` and `pixels`: highdicom and
pydicom take many times as long for them (`tests/benchmarks/dicom_seg.py`).
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medseg.atomic import atomic_path
from medseg.errors import InputError, OutputError
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.outputs.dicom import encoding
from medseg.outputs.dicom.frame_groups import per_frame, shared
from medseg.outputs.dicom.header import begun, dated, reference, short_text
from medseg.outputs.dicom.identity import Author, uid_of
from medseg.outputs.dicom.pixels import Frames, packed
from medseg.outputs.dicom.segment_items import segment_item
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

__all__ = ["Kind", "SegObject", "segmentation_object", "write_seg"]

Kind = Literal["BINARY", "FRACTIONAL", "LABELMAP"]
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_FULL = 255  # the whole of a voxel in FRACTIONAL
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
        planes = probable(segmentation.probabilities, _FULL)
    elif kind == "LABELMAP":
        planes = label_map_planes(segmentation, bits)
    else:
        planes = drawn(segmentation, listed, by_number)
    frames = packed(planes, rows, columns, bits, 0 if kind == "LABELMAP" else 1)
    empty = len(frames.stored) == 1 and not any(frames.stored[0])
    head = _head(source, segmentation.geometry, listed, frames, author, kind)
    head.ContentDescription = _EMPTY if empty else short_text(f"{len(listed)} segments", 64)
    overlap = not segmentation.labels.exclusive and kind != "LABELMAP"
    head.SegmentsOverlap = "UNDEFINED" if overlap or kind == "FRACTIONAL" else "NO"
    return SegObject(head, listed, per_frame(source, segmentation.geometry, frames, kind), frames, empty)


def _require_kind(source: Source, segmentation: Segmentation, kind: Kind, segments: Segments) -> None:
    where = source.where
    if kind == "FRACTIONAL" and segmentation.probabilities is None:
        raise InputError(where, "there are no probabilities for a FRACTIONAL SEG", "Write it BINARY.")
    if kind == "LABELMAP" and not segmentation.labels.exclusive:
        raise InputError(where, "the labels overlap, which no LABELMAP can hold", "Write it BINARY.")
    if kind != "BINARY" and segments == "region":
        raise InputError(where, f"a segment for each region of a {kind} SEG", "Write it BINARY.")


def _head(
    source: Source,
    geometry: Geometry,
    segments: tuple[Segment, ...],
    frames: Frames,
    author: Author,
    kind: Kind,
) -> "Dataset":
    storage = _LABEL_MAP if kind == "LABELMAP" else _SEGMENTATION
    told = json.dumps([asdict(one) for one in segments], default=str)
    others = [str(one.SOPInstanceUID) for one in source.beside]
    content = (kind, frames.digest, hashlib.sha256(told.encode()).hexdigest(), repr(geometry.affine.tolist()), *others)
    ds = begun(source, author, storage, "SEG", "Segmentation", *content)
    ds.DeviceSerialNumber = author.model_hash[:64] or "none"
    ds.SeriesNumber = 9001
    ds.ContentDate, ds.ContentTime = dated(source)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ContentLabel, ds.ContentCreatorName = "SEGMENTATION", "medseg^"
    _refer(ds, source)
    _place(ds, source, geometry)
    _describe_pixels(ds, source, frames)
    ds.SegmentationType = kind
    if kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "PROBABILITY", _FULL
    if kind == "LABELMAP":
        ds.PixelPaddingValue = 0
    ds.SegmentSequence = [segment_item(one, author) for one in segments]
    _dimensions(ds, kind, geometry.ndim)
    ds.SharedFunctionalGroupsSequence = [shared(source, geometry)]
    return ds


def _refer(ds: "Dataset", source: Source) -> None:
    """Every instance of the source, by series (Common Instance Reference Module)."""
    from pydicom import Dataset

    by_series: dict[str, list[Dataset]] = {}
    for one in (*source.datasets, *source.beside):
        by_series.setdefault(str(one.SeriesInstanceUID), []).append(reference(one))
    listed = []
    for uid, instances in by_series.items():
        item = Dataset()
        item.SeriesInstanceUID, item.ReferencedInstanceSequence = uid, instances
        listed.append(item)
    ds.ReferencedSeriesSequence = listed
    if not source.frames:  # frames that are no image's own name none
        ds.SourceImageSequence = [reference(one) for one in source.datasets]


def _place(ds: "Dataset", source: Source, geometry: Geometry) -> None:
    if geometry.ndim == 3:
        frame = str(source.first.get("FrameOfReferenceUID", "") or "")
        ds.FrameOfReferenceUID = frame or uid_of("frame of reference", source.series)
        ds.PositionReferenceIndicator = source.first.get("PositionReferenceIndicator", "") or ""
    else:
        ds.PatientOrientation = source.first.get("PatientOrientation") or ""


def _describe_pixels(ds: "Dataset", source: Source, frames: Frames) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.Rows, ds.Columns, ds.NumberOfFrames = frames.rows, frames.columns, len(frames.stored)
    ds.BitsAllocated = ds.BitsStored = frames.bits
    ds.HighBit = frames.bits - 1
    ds.LossyImageCompression = "01" if source.first.get("LossyImageCompression") == "01" else "00"
    if ds.LossyImageCompression == "01":
        for name in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if name in source.first:
                setattr(ds, name, source.first[name].value)


def _dimensions(ds: "Dataset", kind: Kind, ndim: int) -> None:
    """By what frames are ordered: their segment, and their place."""
    from pydicom import Dataset

    listed = [(0x0062000B, 0x0062000A, "Segment")] if kind != "LABELMAP" else []
    listed += [(0x00200032, 0x00209113, "Position")] if ndim == 3 else []
    organization, items = Dataset(), []
    organization.DimensionOrganizationUID = uid_of("dimensions", ds.SOPInstanceUID)
    for pointer, group, name in listed:
        item = Dataset()
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
        item.DimensionDescriptionLabel = name
        items.append(item)
    ds.DimensionOrganizationSequence, ds.DimensionIndexSequence = [organization], items
