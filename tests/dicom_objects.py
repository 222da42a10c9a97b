"""DICOM SEG and RTSTRUCT files made on the spot, as a test needs them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RTStructureSetStorage, generate_uid

from medseg.geometry import Geometry

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
FRAME_OF_REFERENCE = "1.2.3.4"
SERIES = "1.2.3.5"
LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Frame:
    """One frame: its segment (0 in a label map), its pixels (rows, columns), its first pixel's place (RAS mm)."""

    number: int
    pixels: np.ndarray
    origin: np.ndarray | None = None


def frames_of(masks: dict[int, np.ndarray], geometry: Geometry, keep_empty: bool = False) -> list[Frame]:
    """One frame for each segment and slice of masks of shape (x, y, z)."""
    return [
        Frame(number, mask[:, :, k].T, geometry.to_world((0, 0, k)))
        for number, mask in masks.items()
        for k in range(mask.shape[2])
        if keep_empty or mask[:, :, k].any()
    ]


def segmentation(
    frames: Sequence[Frame],
    geometry: Geometry | None = None,
    names: dict[int, str] | None = None,
    kind: str = "BINARY",
    spacing_between: float | None = None,
    full: int = 255,
    bits: int = 8,
) -> FileDataset:
    """A SEG of frames that lie in the slices of a grid; without one, they have no place (a radiograph's)."""
    ds = _file(LABEL_MAP if kind == "LABELMAP" else SEG, "SEG")
    ds.SegmentationType = kind
    ds.NumberOfFrames, (ds.Rows, ds.Columns) = len(frames), frames[0].pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 1 if kind == "BINARY" else bits
    ds.HighBit = ds.BitsStored - 1
    if kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "PROBABILITY", full
    pixels = np.stack([frame.pixels for frame in frames])
    if kind == "BINARY":
        data = np.packbits(pixels.ravel() != 0, bitorder="little").tobytes()
    else:
        data = pixels.astype(f"<u{bits // 8}").tobytes()
    ds.PixelData = data + bytes(len(data) % 2)
    ds["PixelData"].VR = "OW" if bits == 16 else "OB"
    numbers = {frame.number for frame in frames} | set(np.unique(pixels).tolist() if kind == "LABELMAP" else ())
    ds.SegmentSequence = [
        segment(number, name) for number, name in (names or {n: f"organ {n}" for n in numbers - {0}}).items()
    ]
    ds.SharedFunctionalGroupsSequence = [_shared(geometry, spacing_between)]
    ds.PerFrameFunctionalGroupsSequence = [_own(frame, kind) for frame in frames]
    return ds


def segment(number: int, name: str, value: str = "10200004", scheme: str = "SCT") -> Dataset:
    item, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, name[:60] or "nothing"
    item.SegmentNumber, item.SegmentLabel, item.SegmentedPropertyTypeCodeSequence = number, name, [code]
    return item


def structure_set(regions: dict[str, Sequence[tuple[str, np.ndarray]]], decimals: int = 6) -> FileDataset:
    """An RTSTRUCT: each region's contours as their type and their points in RAS mm, shape (points, 3)."""
    ds = _file(RTStructureSetStorage, "RTSTRUCT")
    listed, drawn = [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        roi, item = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, FRAME_OF_REFERENCE
        item.ReferencedROINumber, item.ROIDisplayColor = number, [10 * number, 20, 30]
        item.ContourSequence = [_contour(kind, points * LPS, decimals) for kind, points in contours]
        listed.append(roi)
        drawn.append(item)
    ds.StructureSetROISequence, ds.ROIContourSequence = listed, drawn
    return ds


def save(ds: FileDataset, path: Path) -> Path:
    ds.save_as(path, enforce_file_format=True)
    return path


def save_deflated_frames(ds: FileDataset, path: Path, frame_bytes: int) -> Path:
    """A file whose frames, whole bytes long, are deflated one by one, in the syntax that pydicom does not know yet."""
    frames = [ds.PixelData[i * frame_bytes : (i + 1) * frame_bytes] for i in range(ds.NumberOfFrames)]
    packed = [_deflated(frame) for frame in frames]
    ds.PixelData = encapsulate([frame + bytes(len(frame) % 2) for frame in packed])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    save(ds, path)
    path.write_bytes(path.read_bytes().replace(JPEGLSLossless.encode(), b"1.2.840.10008.1.2.8.1\0"))
    return path


def _deflated(frame: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(frame) + packer.flush()


def _file(storage: str, modality: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = storage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = storage, meta.MediaStorageSOPInstanceUID, modality
    ds.FrameOfReferenceUID = FRAME_OF_REFERENCE
    source = Dataset()
    source.SeriesInstanceUID = SERIES
    ds.ReferencedSeriesSequence = [source]
    return ds


def _shared(geometry: Geometry | None, spacing_between: float | None) -> Dataset:
    groups = Dataset()
    if geometry is None:
        return groups
    measures, plane = Dataset(), Dataset()
    measures.PixelSpacing = _texts([geometry.step[1], geometry.step[0]])
    measures.SliceThickness = _texts([geometry.step[2]])[0]
    if spacing_between is not None:
        measures.SpacingBetweenSlices = _texts([spacing_between])[0]
    directions = (geometry.affine[:3, :2] / np.array(geometry.step[:2])).T * LPS
    plane.ImageOrientationPatient = _texts(directions.ravel())
    groups.PixelMeasuresSequence, groups.PlaneOrientationSequence = [measures], [plane]
    return groups


def _own(frame: Frame, kind: str) -> Dataset:
    groups = Dataset()
    if kind != "LABELMAP":
        identification = Dataset()
        identification.ReferencedSegmentNumber = frame.number
        groups.SegmentIdentificationSequence = [identification]
    if frame.origin is not None:
        position = Dataset()
        position.ImagePositionPatient = _texts(frame.origin * LPS)
        groups.PlanePositionSequence = [position]
    return groups


def _contour(kind: str, points: np.ndarray, decimals: int) -> Dataset:
    item: Any = Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
    item.ContourData = [f"{value:.{decimals}f}"[:16] for value in np.asarray(points).ravel()]
    return item


def _texts(numbers: Any) -> list[str]:
    """Decimal strings of at most 16 characters."""
    return [
        f"{float(number):.16g}" if len(f"{float(number):.16g}") <= 16 else f"{float(number):.9g}" for number in numbers
    ]
