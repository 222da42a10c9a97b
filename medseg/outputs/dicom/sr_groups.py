"""The measurement groups of a report: of each region what was measured in it, and the lines across it.

A region is a volume (TID 1411) or, in a picture, a plane (TID 1410), given by its segment of the DICOM SEG. These
templates have no coordinates within a measurement, so the diameters with their ends stand in a group of their own
(TID 1501), which has the same tracking identifier. A label without a region is said to be absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medseg.codes import SIDES, Code, Coding
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.labels import Label
from medseg.outputs.dicom.identity import Author, tracking_id, tracking_uid
from medseg.outputs.dicom.seg import SegObject
from medseg.outputs.dicom.source import LPS, Source
from medseg.outputs.dicom.sr_values import LINES, Quantity, coded, concept
from medseg.regions import Region, axial_diameters

__all__ = ["Subject", "absent", "of_region"]

Row = Mapping[str, Any]
_ANATOMY = ("SCT", "91723000")
_RECIST = Code("DCM", "126081", "RECIST 1.1")
_SIDED = {(side.scheme, side.value) for side in SIDES.values()}
_LATERALITY = Code("SCT", "272741003", "Laterality")
_PRESENCE, _ABSENT = Code("SCT", "705057003", "Presence"), Code("SCT", "272519000", "Absent")


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Args:
        source: The instances under the image.
        segmentation: The mask that was measured.
        seg: The DICOM SEG of it, which groups refer to.
        author: What made it.
        case: As in the region table.
        quantities: What of the table is reported.
        regions: Of a picture its regions by label and number: the table has no ends of their diameters.
    """

    source: Source
    segmentation: Segmentation
    seg: SegObject
    author: Author
    case: str
    quantities: tuple[Quantity, ...]
    regions: Mapping[tuple[str, int], Region] = field(default_factory=dict)

    @property
    def geometry(self) -> Geometry:
        """The image's grid."""
        return self.segmentation.geometry

    @property
    def picture(self) -> tuple[str, str, list[int] | None]:
        """Of a 2D image its class and UID, and which frame it is of one that has several."""
        at, frame = self.source.frames[0] if self.source.frames else (0, 1)
        one = self.source.datasets[at]
        several = int(one.get("NumberOfFrames") or 1) > 1
        return str(one.SOPClassUID), str(one.SOPInstanceUID), [frame] if several else None


def of_region(subject: Subject, label: Label, row: Row) -> list[Any]:
    """The groups of one region: content sequences of highdicom."""
    from highdicom import sr

    about = _about(subject, label, int(row["region"]))
    segment = _segment(subject, label, row)
    measured = [one for quantity in subject.quantities if (one := coded(quantity, row)) is not None]
    measures = (
        sr.VolumetricROIMeasurementsAndQualitativeEvaluations
        if subject.geometry.ndim == 3
        else sr.PlanarROIMeasurementsAndQualitativeEvaluations
    )
    volume = measures(referenced_segment=segment, measurements=measured, **about)
    lines = _lines(subject, label, row)
    if not lines:
        return [volume]
    method = concept(_RECIST)
    return [volume, sr.MeasurementsAndQualitativeEvaluations(measurements=lines, method=method, **about)]


def absent(subject: Subject, label: Label) -> Any:
    """The group that says that nothing of a label was found."""
    from highdicom import sr

    said = sr.QualitativeEvaluation(name=concept(_PRESENCE), value=concept(_ABSENT))
    return sr.MeasurementsAndQualitativeEvaluations(**_about(subject, label, None, said))


def _about(subject: Subject, label: Label, region: int | None, *said: Any) -> dict[str, Any]:
    """What the groups of a region have in common: who it is, what it is, where, and who found it."""
    from highdicom import sr

    author = subject.author
    name = tracking_id(subject.case, label.name, region)
    uid = tracking_uid(subject.source.series, author, subject.case, label.name, region)
    coding = label.coding
    about: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(uid=uid, identifier=name),
        "qualitative_evaluations": list(said),
    }
    if author.model:  # a mask without a model was drawn by hand
        hashes = [f"model SHA-256 {author.model_hash}", f"settings SHA-256 {author.settings_hash}"]
        version = author.version or "unknown"
        about["algorithm_id"] = sr.AlgorithmIdentification(author.model, version, hashes)
    if coding is not None:
        sites = _sites(coding)
        about |= {"finding_type": concept(coding.type), "finding_sites": sites}
        if sites is None and (side := coding.modifier) and (side.scheme, side.value) in _SIDED:  # no site has it
            about["qualitative_evaluations"].append(sr.QualitativeEvaluation(concept(_LATERALITY), concept(side)))
        about |= {"finding_category": concept(coding.category)} if coding.category is not None else {}
    return about


def _sites(coding: Coding) -> list[Any] | None:
    """Where it lies; an anatomical structure is its own place."""
    from highdicom import sr

    place, modifier = coding.region, coding.region_modifier
    if place is None and coding.category is not None and (coding.category.scheme, coding.category.value) == _ANATOMY:
        place, modifier = coding.type, coding.modifier
    if place is None:
        return None
    if modifier is None:
        return [sr.FindingSite(concept(place))]
    how = "laterality" if (modifier.scheme, modifier.value) in _SIDED else "topographical_modifier"
    return [sr.FindingSite(concept(place), **{how: concept(modifier)})]


def _segment(subject: Subject, label: Label, row: Row) -> Any:
    """The reference to the segment that draws a region, or to that of all its label where none draws it alone.

    An image content item names segments or frames, never both (PS3.3 table 10-3): of a picture it is the frame, which
    draws one segment.
    """
    from highdicom import sr

    head, region = subject.seg.head, int(row["region"])
    own = [one for one in subject.seg.segments if one.label.name == label.name]
    number = next((one for one in own if one.region == region), own[0]).number
    seg = (str(head.SOPClassUID), str(head.SOPInstanceUID))
    if subject.geometry.ndim == 3:
        return sr.ReferencedSegment(*seg, number, source_series=sr.SourceSeriesForSegmentation(subject.source.series))
    image = sr.SourceImageForSegmentation(*subject.picture)
    frames = [frame for frame, (_k, of) in enumerate(subject.seg.frames.places, start=1) if of in (number, 0)]
    segment = sr.ReferencedSegmentationFrame(*seg, frames, number, image)
    del segment[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return segment


def _lines(subject: Subject, label: Label, row: Row) -> list[Any]:
    """The diameters with their ends."""
    found = []
    ends = _drawn_ends(subject, label, row)
    for name, columns in LINES.items():
        for quantity in columns:
            coordinates = _coordinates(subject, ends[name] if ends else _stated_ends(name, row))
            measured = coded(quantity, row, coordinates)
            found += [] if measured is None else [measured]
    return found


def _stated_ends(name: str, row: Row) -> np.ndarray:
    """The ends of a line in world mm (RAS+), shape (2, 3), as the table has them."""
    return np.array([[row.get(f"{name}_{end}_{axis}_mm", np.nan) for axis in "xyz"] for end in ("start", "end")])


def _drawn_ends(subject: Subject, label: Label, row: Row) -> dict[str, np.ndarray]:
    """The ends of the lines of a picture's region in its own frame, shape (2, 2), measured again."""
    region = subject.regions.get((label.name, int(row["region"])))
    if subject.geometry.ndim == 3 or region is None or region.voxels != int(row["voxels"]):
        return {}
    found = axial_diameters(region.mask, subject.geometry.cropped(region.start, region.size))
    lines = zip(LINES, (found.longest, found.perpendicular), strict=True)
    return {name: np.array([line.start, line.end]) for name, line in lines}


def _coordinates(subject: Subject, ends: np.ndarray) -> list[Any] | None:
    """A line as a content item: in the patient's space, or in a picture in its pixels."""
    from highdicom import sr

    if not np.isfinite(ends.astype(float)).all():
        return None
    if subject.geometry.ndim == 2:
        image = sr.SourceImageForRegion(*subject.picture)
        pixels = subject.geometry.to_index(ends) + 0.5  # SCOORD counts from the corner of the first pixel
        return [sr.CoordinatesForMeasurement("POLYLINE", pixels, image)]
    frame_of_reference = str(subject.source.first.get("FrameOfReferenceUID", "") or "")
    if not frame_of_reference:
        return None
    return [sr.CoordinatesForMeasurement3D("POLYLINE", ends.astype(float) * LPS, frame_of_reference)]
