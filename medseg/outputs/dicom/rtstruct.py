"""RTSTRUCT: the outlines of each label, slice by slice, for planning systems and viewers of contours.

All contours are CLOSED_PLANAR, a hole being joined to what surrounds it by a keyhole, as PS3.3 C.8.8.6.3 asks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.labels import Label
from medseg.outputs.dicom.contours import outlines
from medseg.outputs.dicom.header import begun, code_item, content_of, dated, reference, short_text, write
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.source import LPS, Source

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["structure_set", "write_rtstruct"]

_DECIMALS = 6  # of a millimetre: with sign and point no more than 16 characters up to a hundred metres
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
    listed, drawn, observed = [], [], []
    for number, label in enumerate(segmentation.labels.labels, start=1):
        listed.append(_listed(number, label, frame_of_reference, author))
        drawn.append(_drawn(number, label, segmentation, source))
        observed.append(_observed(number, label))
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = listed, drawn, observed
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
    item.ROIName, item.ROIGenerationAlgorithm = short_text(label.name, 64), "AUTOMATIC"
    item.ROIGenerationDescription = short_text(f"{author.model} {author.model_hash}", 64)
    return item


def _drawn(number: int, label: Label, segmentation: Segmentation, source: Source) -> "Dataset":
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    item = Dataset()
    item.ROIDisplayColor, item.ReferencedROINumber = list(label.colour), number
    contours = []
    for k, points in _placed(segmentation.of(label.name), segmentation.geometry):
        contour = Dataset()
        if source.frames:
            at, frame = source.frames[k]
            contour.ContourImageSequence = [reference(source.datasets[at], frame)]
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
        text = _decimals(points)
        # as bytes: pydicom makes an object of every number, which for a whole body takes gigabytes
        contour[_DATA] = RawDataElement(Tag(_DATA), "DS", len(text), text, 0, True, True)
        contours.append(contour)
    if contours:
        item.ContourSequence = contours
    return item


def _placed(mask: np.ndarray, geometry: Geometry) -> Iterator[tuple[int, np.ndarray]]:
    """The slice and the corners of each contour, in the patient's LPS+ mm, shape (points, 3)."""
    for k, polygons in outlines(mask):
        for polygon in polygons:
            points = np.column_stack([polygon, np.full(len(polygon), float(k))])
            yield k, geometry.to_world(points) * LPS  # DICOM's frame is LPS+


def _decimals(points: np.ndarray) -> bytes:
    """Numbers as DICOM's decimal strings, of at most 16 characters each, padded to an even length."""
    numbers = (np.round(points, _DECIMALS) + 0.0).ravel().tolist()  # + 0: no minus zero
    text = "\\".join(f"{number:.{_DECIMALS}f}".rstrip("0").rstrip(".") for number in numbers).encode()
    return text + b" " * (len(text) % 2)


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
