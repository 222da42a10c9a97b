"""The header of a DICOM SEG: what it was made from, where it lies, how its frames are ordered."""

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from medseg.geometry import Geometry
from medseg.outputs.dicom.frame_groups import shared
from medseg.outputs.dicom.header import begun, dated, reference
from medseg.outputs.dicom.identity import Author, uid_of
from medseg.outputs.dicom.pixels import Frames
from medseg.outputs.dicom.segment_items import segment_item
from medseg.outputs.dicom.segments import Segment
from medseg.outputs.dicom.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["FULL", "Kind", "seg_header"]

Kind = Literal["BINARY", "FRACTIONAL", "LABELMAP"]
FULL = 255  # the whole of a voxel in FRACTIONAL
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"


def seg_header(
    source: Source,
    geometry: Geometry,
    segments: tuple[Segment, ...],
    frames: Frames,
    author: Author,
    kind: Kind,
    overlap: Literal["NO", "UNDEFINED"],
) -> "Dataset":
    """All of a SEG but the groups of its frames and their pixels."""
    storage = _LABEL_MAP if kind == "LABELMAP" else _SEGMENTATION
    told = json.dumps([asdict(one) for one in segments], default=str)
    others = [str(one.SOPInstanceUID) for one in source.beside]
    content = (
        kind,
        overlap,
        frames.digest,
        hashlib.sha256(told.encode()).hexdigest(),
        repr(geometry.affine.tolist()),
        *others,
    )
    ds = begun(source, author, storage, "SEG", "Segmentation", *content)
    ds.DeviceSerialNumber = author.model_hash[:64] or "none"
    ds.SeriesNumber = 9001
    ds.ContentDate, ds.ContentTime = dated(source)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ContentLabel, ds.ContentCreatorName = "SEGMENTATION", "medseg^"
    _refer(ds, source)
    _place(ds, source, geometry)
    _describe_pixels(ds, source, frames)
    ds.SegmentationType, ds.SegmentsOverlap = kind, overlap
    if kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "PROBABILITY", FULL
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
