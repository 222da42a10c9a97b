"""DICOM series made on the spot as a scanner writes them: whole enough for dciodvfy to have nothing against them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)
from scipy.spatial.transform import Rotation

from medseg.geometry import Geometry

LPS = np.array([-1.0, -1.0, 1.0])
PATIENT = {"PatientName": "Doe^Jane", "PatientID": "P-0042", "PatientBirthDate": "19500102", "PatientSex": "F"}
STUDY = {
    "StudyDate": "20200304", "StudyTime": "101112", "AccessionNumber": "A77", "StudyID": "S1",
    "ReferringPhysicianName": "House^G", "StudyDescription": "Thorax", "PatientAge": "070Y",
}  # fmt: skip
EQUIPMENT = {"Manufacturer": "Scanner & Sons", "ManufacturerModelName": "S1"}


def oblique(shape=(24, 20, 6), spacing=(0.8, 1.1, 3.0), angles=(10, -20, 35), origin=(-40, 17.5, 250)) -> Geometry:
    """A grid turned about all axes, its columns, rows and slices in a right-handed order in DICOM's frame."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * (np.asarray(spacing) * LPS)
    affine[:3, 3] = origin
    return Geometry(shape, affine)


def ct_series(folder: Path, geometry: Geometry, voxels: np.ndarray | None = None, **fields: Any) -> Path:
    """A CT series on a grid; voxels of shape (x, y, z) in HU."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.zeros(geometry.shape) if voxels is None else voxels
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    directions = (geometry.affine[:3, :2] / np.array(geometry.step[:2])).T * LPS
    for k in range(geometry.shape[2]):
        ds = _instance(CTImageStorage, values[:, :, k].T + 1024)
        _fill(ds, PATIENT | STUDY | EQUIPMENT)
        ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.BodyPartExamined = "CHEST"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.PositionReferenceIndicator, ds.PatientPosition = "", "HFS"
        ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 3, k + 1, 1
        ds.SeriesDate, ds.SeriesTime, ds.ContentDate, ds.ContentTime = "20200304", "101500", "20200304", "101600"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType, ds.KVP = -1024, 1, "HU", 120
        ds.PixelSpacing = _texts([geometry.step[1], geometry.step[0]])
        ds.SliceThickness = _texts([geometry.step[2]])[0]
        ds.ImageOrientationPatient = _texts(directions.ravel())
        ds.ImagePositionPatient = _texts(geometry.to_world((0, 0, k)) * LPS)
        _fill(ds, fields)
        ds.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder


def enhanced_ct(path: Path, geometry: Geometry) -> Path:
    """An enhanced CT: the slices of a grid as frames of one file, stored from the last to the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns, rows, slices = geometry.shape
    ds = _instance(EnhancedCTImageStorage, np.full((rows * slices, columns), 1024))
    _fill(ds, PATIENT | STUDY | EQUIPMENT)
    ds.Rows, ds.NumberOfFrames, ds.Modality = rows, slices, "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = (generate_uid() for _ in range(3))
    ds.SeriesNumber, ds.InstanceNumber, ds.ContentDate, ds.ContentTime = 3, 1, "20200304", "101600"
    directions = (geometry.affine[:3, :2] / np.array(geometry.step[:2])).T * LPS
    measures = {"PixelSpacing": _texts([geometry.step[1], geometry.step[0]]), "SliceThickness": geometry.step[2]}
    values = {"RescaleIntercept": -1024, "RescaleSlope": 1, "RescaleType": "HU"}
    ds.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[_item(**measures)],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=_texts(directions.ravel()))],
            PixelValueTransformationSequence=[_item(**values)],
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=_texts(geometry.to_world((0, 0, k)) * LPS))])
        for k in reversed(range(slices))
    ]
    ds.save_as(path, enforce_file_format=True)
    return path


def radiograph(path: Path, pixels: np.ndarray, spacing: float | None = 0.2, **fields: Any) -> Path:
    """A digital radiograph; pixels of shape (x, y)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds = _instance(DigitalXRayImageStorageForPresentation, pixels.T)
    _fill(ds, PATIENT | STUDY | EQUIPMENT)
    ds.Modality, ds.ImageType, ds.PresentationIntentType = "DX", ["ORIGINAL", "PRIMARY", ""], "FOR PRESENTATION"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.SeriesNumber, ds.InstanceNumber, ds.PatientOrientation = 1, 1, ["L", "F"]
    ds.ContentDate, ds.ContentTime, ds.BurnedInAnnotation = "20200304", "101600", "NO"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape, ds.LossyImageCompression = "IDENTITY", "00"
    ds.DetectorType, ds.AcquisitionContextSequence, ds.PositionerType = "DIRECT", [], "NONE"
    ds.WindowCenter, ds.WindowWidth, ds.ImageLaterality, ds.AnatomicRegionSequence = 500, 1000, "U", []
    if spacing is not None:
        ds.ImagerPixelSpacing = ds.PixelSpacing = _texts([spacing, spacing])
    _fill(ds, fields)
    ds.save_as(path, enforce_file_format=True)
    return path


def complaints(path: Path) -> list[str]:
    """What dciodvfy has against an object; the test is skipped without it."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian's dicom3tools)")
    told = subprocess.run([program, str(path)], capture_output=True, text=True, check=False).stderr
    return [line for line in told.splitlines() if line.startswith(("Error", "Warning"))]


def _instance(storage: str, pixels: np.ndarray) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = storage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = storage, meta.MediaStorageSOPInstanceUID
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelData = np.ascontiguousarray(pixels, "<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def _item(**fields: Any) -> Dataset:
    item = Dataset()
    _fill(item, fields)
    return item


def _fill(ds: Dataset, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(ds, name, value)


def _texts(numbers: Any) -> list[str]:
    """Decimal strings of at most 16 characters."""
    return [f"{float(number):.10f}"[:16] for number in numbers]
