"""Reading and writing beside nibabel, SimpleITK and pydicom: `python tests/benchmarks/reading.py [--json FILE]`.

Everything is generated: a CT-like volume of 512×512×300 voxels as NIfTI and as a DICOM series, a lesion mask on its
grid, and a tree of 10,000 DICOM files. Takes about ten minutes, most of it writing those files.
"""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from side_by_side import Work, main

from medseg import Geometry, Image, Labels, Segmentation, read_image, read_mask, write_mask
from medseg.io.dicom.scan import scan_dicom
from medseg.io.writing import write_image

SHAPE = (512, 512, 300)
AFFINE = np.array([[-0.7, 0, 0, 180], [0, -0.7, 0, 150], [0, 0, 1.5, -200], [0, 0, 0, 1.0]])
SERIES, FILES_A_SERIES = 50, 200


def prepare(folder: Path) -> None:
    """Write the files of all works."""
    voxels = body()
    geometry = Geometry(SHAPE, AFFINE)
    write_image(folder / "ct.nii.gz", Image(voxels[np.newaxis], geometry, "CT"))
    np.save(folder / "mask.npy", lesions())
    write_mask(folder / "mask.nii.gz", segmentation(folder))
    write_dicom(folder / "series", voxels)
    write_tree(folder / "tree")


def body() -> np.ndarray:
    """An ellipse of noisy soft tissue in air, which compresses as CT does."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(*(np.linspace(-1, 1, 512),) * 2, indexing="ij")
    inside = x**2 / 0.6 + y**2 / 0.4 < 1
    voxels = np.full(SHAPE, -1000, np.int16, order="F")
    for z in range(SHAPE[2]):
        voxels[..., z][inside] = rng.normal(40, 20, inside.sum())
    return voxels


def lesions() -> np.ndarray:
    """Thirty ellipsoids."""
    rng = np.random.default_rng(1)
    mask = np.zeros(SHAPE, np.uint8, order="F")
    for _ in range(30):
        size = rng.integers(5, 25, 3)
        start = [rng.integers(0, n - 2 * s) for n, s in zip(SHAPE, size, strict=True)]
        grid = np.ogrid[tuple(slice(-1, 1, 2j * s) for s in size)]
        mask[tuple(slice(a, a + 2 * s) for a, s in zip(start, size, strict=True))] |= sum(g**2 for g in grid) < 1
    return mask


def segmentation(folder: Path) -> Segmentation:
    """The lesions as what a model gives."""
    return Segmentation(np.load(folder / "mask.npy"), Geometry(SHAPE, AFFINE), Labels.from_config({"lesion": 1}))


def header(**fields: Any) -> FileDataset:
    """A CT header with the usual eighty elements or so."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    one.Modality, one.PatientID, one.PatientName, one.PatientSex = "CT", "P1", "Doe^Jane", "F"
    one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(one, name, "20200101")
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(one, name, "101112.130000")
    for name in (
        "AccessionNumber", "Manufacturer", "InstitutionName", "StationName", "StudyDescription", "SeriesDescription",
        "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions", "ProtocolName",
        "ConvolutionKernel", "FilterType", "RequestedProcedureDescription",
    ):  # fmt: skip
        setattr(one, name, f"a {name.lower()}"[:15])
    for name in (
        "KVP", "DataCollectionDiameter", "ReconstructionDiameter", "DistanceSourceToDetector", "TableHeight",
        "DistanceSourceToPatient", "GantryDetectorTilt", "ExposureTime", "XRayTubeCurrent", "Exposure",
        "GeneratorPower", "SingleCollimationWidth", "TotalCollimationWidth", "TableSpeed", "SpiralPitchFactor",
    ):  # fmt: skip
        setattr(one, name, 120)
    one.StudyInstanceUID = one.FrameOfReferenceUID = "1.2.3.4"
    one.ReferencedStudySequence, one.RequestAttributesSequence = [reference()], [reference()]
    one.SourceImageSequence = [reference() for _ in range(3)]
    one.ImageOrientationPatient, one.PixelSpacing, one.SliceThickness = [1, 0, 0, 0, 1, 0], [0.7, 0.7], 1.5
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
    one.RescaleSlope, one.RescaleIntercept, one.WindowCenter, one.WindowWidth = 1, -1024, [40, -600], [400, 1200]
    for name, value in fields.items():
        setattr(one, name, value)
    return one


def reference() -> pydicom.Dataset:
    """An item as headers are full of."""
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "1.2.840.1.2.3.4.5.6.7.8.9"
    return item


def write_dicom(folder: Path, voxels: np.ndarray) -> None:
    """The volume as a series, the files named against their order."""
    folder.mkdir()
    for z in range(SHAPE[2]):
        one = header(SeriesInstanceUID="1.2.3.4.5", Rows=512, Columns=512, InstanceNumber=z + 1)
        one.ImagePositionPatient = [-180, -150, -200 + 1.5 * z]
        one.PixelData = (voxels[..., z].T + 1024).astype("<u2").tobytes()
        one.save_as(folder / f"IM{SHAPE[2] - z:04d}", enforce_file_format=True)


def write_tree(folder: Path) -> None:
    """Ten thousand small slices of fifty series."""
    for series in range(SERIES):
        place = folder / f"P{series // 2:03d}" / f"S{series}"
        place.mkdir(parents=True)
        one = header(Rows=32, Columns=32, SeriesInstanceUID=f"1.2.3.4.{series}", PatientID=f"P{series // 2:03d}")
        one.PixelData = bytes(2048)
        for z in range(FILES_A_SERIES):
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{series}.{z + 1}"
            one.InstanceNumber, one.ImagePositionPatient = z, [0, 0, 1.5 * z]
            one.save_as(place / f"IM{z:04d}", enforce_file_format=True)


def nibabel_array(path: Path) -> np.ndarray:
    """All voxels in their stored type."""
    return np.asanyarray(nibabel.load(path).dataobj)


def nibabel_write(folder: Path) -> None:
    """The mask at nibabel's default compression."""
    nibabel.save(nibabel.Nifti1Image(np.load(folder / "mask.npy"), AFFINE), folder / "theirs.nii.gz")


def itk_series(folder: Path) -> np.ndarray:
    """SimpleITK's own way: the series' files in its order, then one read."""
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "series")))
    return SimpleITK.GetArrayFromImage(reader.Execute())


def pydicom_series(folder: Path) -> np.ndarray:
    """Each file with pydicom, sorted by position."""
    slices = sorted((pydicom.dcmread(path) for path in (folder / "series").iterdir()), key=lambda s: s.InstanceNumber)
    return np.stack([one.pixel_array for one in slices])


def pydicom_headers(folder: Path) -> list[Any]:
    """The values that grouping needs, of every file."""
    names = ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns", "ImagePositionPatient",
             "ImageOrientationPatient", "PixelSpacing", "ImageType", "EchoTime", "Modality"]  # fmt: skip
    found = []
    for path in (folder / "tree").rglob("IM*"):
        one = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=names)
        found.append([one.get(name) for name in names])
    return found


def rate(seconds: float) -> str:
    """Files a second."""
    return f"{SERIES * FILES_A_SERIES / seconds:.0f} files/s"


WORKS = [
    Work("read CT .nii.gz", "nibabel", lambda f: read_image(f / "ct.nii.gz"), lambda f: nibabel_array(f / "ct.nii.gz"),
         0.4),
    Work("read CT .nii.gz", "SimpleITK", lambda f: read_image(f / "ct.nii.gz"),
         lambda f: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(f / "ct.nii.gz")), 0.6),
    Work("read mask .nii.gz", "nibabel", lambda f: read_mask(f / "mask.nii.gz"),
         lambda f: nibabel_array(f / "mask.nii.gz"), 0.25),
    Work("write mask .nii.gz", "nibabel", lambda f: write_mask(f / "ours.nii.gz", segmentation(f)), nibabel_write,
         0.25),
    Work("DICOM, 300 slices", "SimpleITK", lambda f: read_image(f / "series"), itk_series, 0.6),
    Work("DICOM, 300 slices", "pydicom", lambda f: read_image(f / "series"), pydicom_series, 1.0),
    Work("scan 10,000 files, 1 core", "pydicom", lambda f: scan_dicom(f / "tree", jobs=1), pydicom_headers, 0.5, rate),
    Work("scan 10,000 files, 2 cores", "pydicom", lambda f: scan_dicom(f / "tree", jobs=2), pydicom_headers, 0.5,
         rate),
]  # fmt: skip

if __name__ == "__main__":
    main(WORKS, prepare, __file__)
