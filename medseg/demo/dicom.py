"""CT volumes as DICOM series: one file a slice, named without regard to position, as scanners deliver them."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from medseg.errors import OutputError
from medseg.geometry import Geometry

__all__ = ["SeriesTags", "stored_geometry", "write_ct_series"]

_INTERCEPT = -1024
_DIGITS = 6  # of positions, mm; DICOM's decimal strings hold 16 characters
_TO_LPS = np.array([-1.0, -1.0, 1.0])  # DICOM's world is LPS+: x and y point the other way than in RAS+


@dataclass(frozen=True)
class SeriesTags:
    """Who and what was scanned.

    Args:
        patient: Patient id; also the name.
        study: Names the study within the patient.
        description: Of the series.
        date: Of the study, YYYYMMDD.
        salt: Makes the UIDs of one generated data set differ from those of another.
    """

    patient: str
    study: str
    description: str
    date: str
    salt: str

    def uid(self, *parts: str | int) -> UID:
        """A UID under 2.25 that is always the same for the same words."""
        words = "/".join(str(part) for part in (self.salt, *parts))
        return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, words).int}")


def stored_geometry(geometry: Geometry) -> Geometry:
    """The grid as a reader finds it: positions and directions rounded as the files hold them."""
    step = np.array([round(length, _DIGITS) for length in geometry.step])
    directions = np.round(geometry.affine[:3, :3] / np.array(geometry.step), 10)
    affine = np.eye(4)
    affine[:3, :2] = directions[:, :2] * step[:2]
    affine[:3, 3] = np.round(geometry.affine[:3, 3], _DIGITS)
    last = np.round(geometry.to_world((0, 0, geometry.shape[2] - 1)), _DIGITS)
    affine[:3, 2] = (last - affine[:3, 3]) / (geometry.shape[2] - 1)
    return Geometry(geometry.shape, affine)


def write_ct_series(
    folder: Path, voxels: npt.NDArray[np.int16], geometry: Geometry, tags: SeriesTags, rng: np.random.Generator
) -> None:
    """Write one file a slice into a folder, Explicit VR Little Endian.

    Args:
        folder: Made if it is not there.
        voxels: HU from -1024 to 3071, shape (x, y, z): x along a row, y down the columns, z across the slices.
        geometry: Their grid, RAS+; axes at right angles, z along the normal of the slices (x times y in LPS).
        tags: Who and what.
        rng: Shuffles the file names.

    Raises:
        OutputError: The folder cannot be written to.
    """
    slices = geometry.shape[2]
    names = rng.permutation(slices)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for z in range(slices):
            dataset = _slice(voxels[:, :, z], geometry, z, tags)
            dataset.save_as(folder / f"IM{names[z]:04d}.dcm", enforce_file_format=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(folder, f"cannot be written ({reason})", "Choose a folder that you may write to.") from error


def _slice(plane: npt.NDArray[np.int16], geometry: Geometry, z: int, tags: SeriesTags) -> FileDataset:
    """One slice with all that a reader needs."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = tags.uid(tags.patient, tags.study, tags.description, z)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    _describe(dataset, tags)
    _place(dataset, geometry, z)
    _store(dataset, plane)
    return dataset


def _describe(dataset: FileDataset, tags: SeriesTags) -> None:
    """Patient, study and series."""
    dataset.PatientID = tags.patient
    dataset.PatientName = f"Phantom^{tags.patient}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.StudyInstanceUID = tags.uid(tags.patient, tags.study)
    dataset.StudyID = tags.study[:16]
    dataset.StudyDate = tags.date
    dataset.StudyTime = "120000"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.SeriesInstanceUID = tags.uid(tags.patient, tags.study, tags.description)
    dataset.FrameOfReferenceUID = tags.uid(tags.patient, tags.study, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.SeriesNumber = 2
    dataset.SeriesDescription = tags.description
    dataset.Modality = "CT"
    dataset.Manufacturer = "medseg phantom"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.KVP = "120"


def _place(dataset: FileDataset, geometry: Geometry, z: int) -> None:
    """Position, directions and pixel size; numbers count from the head down, against the order of the array."""
    stored = stored_geometry(geometry)
    directions = np.round(stored.affine[:3, :2] / np.array(stored.step[:2]), 10).T * _TO_LPS
    position = np.round(stored.to_world((0, 0, z)), _DIGITS) * _TO_LPS
    dataset.InstanceNumber = geometry.shape[2] - z
    dataset.AcquisitionNumber = 1
    dataset.ImagePositionPatient = [_decimal(value) for value in position]
    dataset.ImageOrientationPatient = [_decimal(value) for value in directions.ravel()]
    dataset.PixelSpacing = [_decimal(stored.step[1]), _decimal(stored.step[0])]  # between rows, then columns
    dataset.SliceThickness = _decimal(stored.step[2])


def _store(dataset: FileDataset, plane: npt.NDArray[np.int16]) -> None:
    """Pixels: an array (x, y) becomes rows of columns, HU become twelve unsigned bits."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = plane.shape[1], plane.shape[0]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", str(_INTERCEPT), "HU"
    dataset.WindowCenter, dataset.WindowWidth = "60", "400"
    dataset.PixelData = np.ascontiguousarray((plane.astype(np.int32) - _INTERCEPT).T).astype("<u2").tobytes()


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters; -0 is written as 0."""
    return f"{value + 0.0:.10f}".rstrip("0").rstrip(".")[:16] or "0"
