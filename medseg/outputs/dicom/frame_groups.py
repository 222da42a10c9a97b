"""Functional groups of the frames of a SEG: which segment each draws, where it lies, and from what it was made."""

from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.geometry import Geometry
from medseg.outputs.dicom.encoding import item_sequence, text, unsigned
from medseg.outputs.dicom.pixels import Frames
from medseg.outputs.dicom.source import LPS, Source

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["decimal", "per_frame", "shared"]


def shared(source: Source, geometry: Geometry) -> "Dataset":
    """What all frames have: pixel size, slice distance and directions; of a 2D image nothing, its pixels are meant."""
    from pydicom import Dataset

    groups = Dataset()
    if geometry.ndim == 2:
        return groups
    axes = geometry.affine[:3, :3]
    along = np.cross(axes[:, 0], axes[:, 1])
    between = abs(float(axes[:, 2] @ along / np.linalg.norm(along)))
    measures, plane = Dataset(), Dataset()
    measures.SliceThickness, measures.SpacingBetweenSlices = decimal(_thickness(source) or between), decimal(between)
    measures.PixelSpacing = [decimal(geometry.step[1]), decimal(geometry.step[0])]  # between rows, then columns
    directions = (axes[:, :2] / np.array(geometry.step[:2])).T * LPS
    plane.ImageOrientationPatient = [decimal(value) for value in directions.ravel()]
    groups.PixelMeasuresSequence, groups.PlaneOrientationSequence = [measures], [plane]
    return groups


def per_frame(source: Source, geometry: Geometry, frames: Frames, kind: str) -> tuple[bytes, ...]:
    """Of each frame the elements of its item in PerFrameFunctionalGroupsSequence."""
    slices = sorted({k for k, _number in frames.places})
    rank = {k: place for place, k in enumerate(slices, start=1)}
    derived = {k: _derivation(source, k) for k in slices}
    placed = {k: _position(source, geometry, k) for k in slices}
    groups = []
    for k, number in frames.places:
        indices = ([] if kind == "LABELMAP" else [number]) + ([rank[k]] if geometry.ndim == 3 else [])
        content = item_sequence(0x00209111, [unsigned(0x00209157, "UL", *indices)])
        segment = b"" if kind == "LABELMAP" else item_sequence(0x0062000A, [unsigned(0x0062000B, "US", number)])
        groups.append(derived[k] + content + placed[k] + segment)
    return tuple(groups)


def decimal(value: float) -> str:
    """A decimal string: as many digits as 16 characters hold; -0 is 0."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value) + 0.0)


def _thickness(source: Source) -> float | None:
    """SliceThickness of the first instance, as far as it says it at the top."""
    try:
        return abs(float(source.first.get("SliceThickness") or 0)) or None
    except (TypeError, ValueError):
        return None


def _position(source: Source, geometry: Geometry, k: int) -> bytes:
    """PlanePositionSequence: where the image's own slice says that it is, else where the grid has it."""
    if geometry.ndim == 2:
        return b""
    stated: Any = source.position(k)
    values = geometry.to_world((0, 0, k)) * LPS if stated is None else stated
    return item_sequence(0x00209113, [text(0x00200032, "DS", *(decimal(value) for value in values))])


def _derivation(source: Source, k: int) -> bytes:
    """DerivationImageSequence: the frame from which this one was made, where one has the same pixels."""
    if not source.frames:
        return b""
    at, number = source.frames[k]
    one = source.datasets[at]
    items = [text(0x00081150, "UI", str(one.SOPClassUID)), text(0x00081155, "UI", str(one.SOPInstanceUID))]
    if int(one.get("NumberOfFrames") or 1) > 1:
        items.append(text(0x00081160, "IS", str(number)))
    items.append(text(0x0028135A, "CS", "YES"))  # SpatialLocationsPreserved
    items.append(_code(0x0040A170, "DCM", "121322", "Source image for image processing operation"))
    images = item_sequence(0x00082112, [b"".join(items)])
    return item_sequence(0x00089124, [images + _code(0x00089215, "DCM", "113076", "Segmentation")])


def _code(tag: int, scheme: str, value: str, meaning: str) -> bytes:
    parts = text(0x00080100, "SH", value), text(0x00080102, "SH", scheme), text(0x00080104, "LO", meaning)
    return item_sequence(tag, [b"".join(parts)])
