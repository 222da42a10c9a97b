"""RTSTRUCT: the outlines of each label, slice by slice, for planning systems and viewers of contours.

All contours are CLOSED_PLANAR, a hole being joined to what surrounds it by a keyhole, as PS3.3 C.8.8.6.3 asks.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.labels import Label
from medseg.outputs.dicom.contours import slice_outlines
from medseg.outputs.dicom.header import begun, code_item, content_of, dated, reference, short_text, write
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.segments import Segment, drawn
from medseg.outputs.dicom.source import LPS, Source

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["structure_set", "write_rtstruct"]

_CHARACTERS = 16  # of a decimal string
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management (retired), by which a study is named here
_DATA = 0x30060050  # ContourData


def write_rtstruct(path: Path, source: Source, segmentation: Segmentation, author: Author) -> Path:
    """Write the labels of a mask as a structure set.

    Args:
        path: The file to be.
        source: The instances under its image.
        segmentation: The mask; a label without a voxel is a region without contours.
        author: What made it.

    Raises:
        InputError: The image is 2D or its series has no frame of reference: contours need a patient space.
        OutputError: The file cannot be written.
    """
    return write(structure_set(source, segmentation, author), path)


def structure_set(source: Source, segmentation: Segmentation, author: Author) -> "Dataset":
    """The object that `write_rtstruct` writes.

    Raises:
        InputError: As there.
    """
    from pydicom.uid import RTStructureSetStorage

    frame_of_reference = str(source.first.get("FrameOfReferenceUID", "") or "")
    if segmentation.geometry.ndim != 3 or not frame_of_reference:
        found = (
            "is a picture without a place in space" if segmentation.geometry.ndim == 2 else "has no frame of reference"
        )
        raise InputError(source.where, f"{found}, which contours need", "Write a DICOM SEG of it instead.")
    ds = begun(source, author, RTStructureSetStorage, "RTSTRUCT", "Contours", content_of(segmentation), implicit=True)
    ds.OperatorsName, ds.SeriesNumber = "", 9002
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = frame_of_reference, ""
    ds.StructureSetLabel = short_text(author.model, 16) or "medseg"
    ds.StructureSetDate, ds.StructureSetTime = dated(source)
    ds.ReferencedFrameOfReferenceSequence = [_drawn_on(source, frame_of_reference)]
    labels = list(enumerate(segmentation.labels.labels, start=1))
    contours = _contours(source, segmentation)
    ds.StructureSetROISequence = [_listed(number, label, frame_of_reference, author) for number, label in labels]
    ds.ROIContourSequence = [_drawn(number, label, contours[number]) for number, label in labels]
    ds.RTROIObservationsSequence = [_observed(number, label) for number, label in labels]
    ds.ApprovalStatus = "UNAPPROVED"
    return ds


def _drawn_on(source: Source, frame_of_reference: str) -> "Dataset":
    """The frame of reference, in it the study, the series and all of its instances."""
    from pydicom import Dataset

    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = source.series
    series.ContourImageSequence = [reference(one) for one in source.datasets]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = _STUDY_CLASS, source.first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = frame_of_reference
    frame.RTReferencedStudySequence = [study]
    return frame


def _listed(number: int, label: Label, frame_of_reference: str, author: Author) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.ROINumber, item.ReferencedFrameOfReferenceUID = number, frame_of_reference
    item.ROIName = short_text(label.name, 64)
    item.ROIGenerationAlgorithm = "AUTOMATIC" if author.model else "MANUAL"
    if author.model:
        item.ROIGenerationDescription = short_text(f"{author.model} {author.model_hash}", 64)
    return item


def _drawn(number: int, label: Label, contours: "list[Dataset]") -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.ROIDisplayColor, item.ReferencedROINumber = list(label.colour), number
    if contours:
        item.ContourSequence = contours
    return item


def _contours(source: Source, segmentation: Segmentation) -> "dict[int, list[Dataset]]":
    """The contours of each label, by its number, from the first slice to the last."""
    geometry, labels = segmentation.geometry, segmentation.labels.labels
    decimals = _decimals_for(geometry)
    segments = tuple(Segment(number, label, label.name, "", "") for number, label in enumerate(labels, start=1))
    found: dict[int, list[Dataset]] = {one.number: [] for one in segments}
    for k, number, plane in drawn(segmentation, segments, {}):
        for polygon in slice_outlines(plane.T):
            points = np.column_stack([polygon, np.full(len(polygon), float(k))])
            lps = geometry.to_world(points) * LPS  # DICOM's frame is LPS+
            found[number].append(_contour(lps, decimals, source, k))
    return found


def _contour(points: np.ndarray, decimals: int, source: Source, k: int) -> "Dataset":
    """One contour, its corners given in the patient's LPS+ mm, shape (points, 3), with the image that it lies on."""
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    item = Dataset()
    if source.frames:
        at, frame = source.frames[k]
        item.ContourImageSequence = [reference(source.datasets[at], frame)]
    item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
    text = _decimals(points, decimals)
    # as bytes that are written as they are: pydicom makes an object of every number, gigabytes of them for a whole body
    item[_DATA] = RawDataElement(Tag(_DATA), "DS", len(text), text, 0, True, True)
    item.set_original_encoding(True, True, "iso8859")
    return item


def _decimals(points: np.ndarray, decimals: int) -> bytes:
    """Numbers as DICOM's decimal strings, padded to an even length."""
    numbers = (np.round(points, decimals) + 0.0).ravel().tolist()  # + 0: no minus zero
    text = ("\\".join([f"%.{decimals}f"] * len(numbers)) % tuple(numbers)).encode()
    return text + b" " * (len(text) % 2)


def _decimals_for(geometry: Geometry) -> int:
    """Digits after the point that round by less than a thousandth of a voxel, as far as 16 characters go."""
    wanted = 3 - math.floor(math.log10(min(geometry.step)))
    farthest = np.abs(geometry.corners).max() + max(geometry.step)
    before = len(str(int(farthest)))  # and the sign and the point
    return max(0, min(max(wanted, 3), _CHARACTERS - before - 2))


def _observed(number: int, label: Label) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.RTROIInterpretedType, item.ROIInterpreter = "", ""
    coding = label.coding
    if coding is not None:
        code = code_item(coding.type)
        if coding.modifier is not None:
            code.SegmentedPropertyTypeModifierCodeSequence = [code_item(coding.modifier)]
        item.RTROIIdentificationCodeSequence = [code]
    return item
