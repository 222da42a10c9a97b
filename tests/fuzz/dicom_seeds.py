"""Small sound DICOM files: images in many transfer syntaxes, multi-frame, SEG, RTSTRUCT, a DICOMDIR."""

import functools
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pydicom
from dicom_objects import frames_of, save_deflated_frames, segmentation, structure_set
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from medseg.geometry import Geometry

__all__ = ["GRID", "ct_slice", "dicom_seeds", "directory", "structure_seeds"]

GRID = Geometry((9, 8, 4), np.diag([-1.0, -1.0, 2.0, 1.0]))
_STORED = (np.arange(8 * 9, dtype=np.uint16).reshape(8, 9) * 40) & 0xFFF
_ROOT = "1.2.826.0.1.3680043.8.498."


def ct_slice(number: int = 0) -> bytes:
    """One slice of a CT series of which every number is another position."""
    return _bytes(_image(number))


@functools.cache
def dicom_seeds() -> Mapping[str, bytes]:
    """Image files by name."""
    made = {
        "ct": _bytes(_image()),
        "ct_implicit": _bytes(_image(), ImplicitVRLittleEndian),
        "ct_big": _bytes(_image(), ExplicitVRBigEndian),
        "ct_deflated": _bytes(_image(), DeflatedExplicitVRLittleEndian),
        "ct_lookup": _bytes(_with_table(_image())),
        "pet": _bytes(_pet()),
        "mammogram": _bytes(_mammogram()),
        "multiframe": _bytes(_multiframe()),
        "mapped": _bytes(_mapped()),
        "colour": _bytes(_colour()),
        "palette": _bytes(_palette()),
        "sequence": _bytes(_image(Modality="XA", NumberOfFrames=2, PixelData=_STORED.tobytes() * 2)),
        "bits": _bytes(_image(BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bytes(10))),
        "jpeg": _bytes(_jpeg(), JPEGBaseline8Bit),
    }
    for name, syntax in (("rle", RLELossless), ("jpeg_ls", JPEGLSLossless), ("jpeg_2000", JPEG2000Lossless)):
        packed = _image(Rows=32, Columns=36, PixelData=np.tile(_STORED, (4, 4)).tobytes())
        packed.compress(syntax)
        made[name] = _bytes(packed, syntax)
    return made


@functools.cache
def structure_seeds() -> Mapping[str, bytes]:
    """SEG and RTSTRUCT files by name, drawn on `GRID`."""
    mask = np.zeros(GRID.shape, bool)
    mask[2:6, 3:7, 1:3] = True
    frames = frames_of({1: mask, 2: ~mask}, GRID, keep_empty=True)
    square = np.array([[1.0, 1, 0], [6, 1, 0], [6, 5, 0], [1, 5, 0]]) * [-1, -1, 1]
    contours = [("CLOSED_PLANAR", square + np.array([0.0, 0, z])) for z in (0.0, 2.0)]
    fraction = frames_of({1: mask.astype(np.uint8) * 200}, GRID)
    levels = frames_of({0: mask.astype(np.uint8)}, GRID)
    whole, packed = segmentation(fraction, GRID, kind="FRACTIONAL"), {}
    with tempfile.TemporaryDirectory() as folder:
        deflated = save_deflated_frames(whole, Path(folder) / "a.dcm", 72).read_bytes()
    for name, syntax in (("rle", RLELossless), ("jpeg_ls", JPEGLSLossless)):
        whole = segmentation(fraction, GRID, kind="FRACTIONAL")
        whole.compress(syntax)
        packed[name] = _bytes(whole, syntax)
    return {
        **packed,
        "binary": _bytes(segmentation(frames, GRID)),
        "fractional": _bytes(segmentation(fraction, GRID, kind="FRACTIONAL")),
        "label_map": _bytes(segmentation(levels, GRID, names={1: "organ"}, kind="LABELMAP")),
        "deflated_frames": deflated,
        "contours": _bytes(structure_set({"organ": contours, "point": [("POINT", square[:1])]})),
    }


@functools.cache
def directory() -> bytes:
    """A DICOMDIR that lists two slices as `PT000000/ST000000/SE000000/IM00000k`."""
    records = [_item(DirectoryRecordType="PATIENT", PatientID="p1"), _item(DirectoryRecordType="SERIES", Modality="CT")]
    for number in range(2):
        parts = ["PT000000", "ST000000", "SE000000", f"IM00000{number}"]
        records.append(_item(DirectoryRecordType="IMAGE", ReferencedFileID=parts, InstanceNumber=number))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MediaStorageDirectoryStorage, f"{_ROOT}9"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    whole.FileSetID, whole.DirectoryRecordSequence = "DISC", records
    return _bytes(whole)


def _image(number: int = 0, **fields: Any) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, f"{_ROOT}1.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = f"{_ROOT}2", f"{_ROOT}3", f"{_ROOT}4"
    ds.Modality, ds.PatientID, ds.SpecificCharacterSet, ds.PatientName = "CT", "p1", "ISO_IR 100", "Bloggs^Jö"
    ds.Rows, ds.Columns = _STORED.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelSpacing, ds.SliceThickness, ds.InstanceNumber = [1.0, 1.0], 2.0, number
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0.0, 0.0, 2.0 * number]
    ds.RescaleSlope, ds.RescaleIntercept, ds.PixelPaddingValue = 1, -1024, 0
    ds.PixelData = _STORED.tobytes()
    for name, value in fields.items():
        setattr(ds, name, value)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated <= 8 else "OW"
    return ds


def _item(**fields: Any) -> Dataset:
    item = Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def _with_table(ds: FileDataset) -> FileDataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 16])
    table.add_new("LUTData", "OW", np.arange(4096, dtype=np.uint16).tobytes())
    table.ModalityLUTType = "US"
    ds.ModalityLUTSequence = [table]
    return ds


def _pet() -> FileDataset:
    dose = _item(RadionuclideTotalDose=3e8, RadionuclideHalfLife=6586.2, RadiopharmaceuticalStartTime="110000")
    return _image(
        Modality="PT", Units="BQML", DecayCorrection="START", PatientWeight=70, SeriesDate="20200101",
        SeriesTime="120000", AcquisitionDate="20200101", AcquisitionTime="120000", RescaleIntercept=0,
        CorrectedImage=["DECY", "ATTN"], RadiopharmaceuticalInformationSequence=[dose],
    )  # fmt: skip


def _mammogram() -> FileDataset:
    ds = _image(
        Modality="MG", PhotometricInterpretation="MONOCHROME1", ImagerPixelSpacing=[0.1, 0.1], WindowCenter=[2000, 99],
        EstimatedRadiographicMagnificationFactor=1.5, WindowWidth=[4000, 10], VOILUTFunction="SIGMOID",
        ImageLaterality="L", ViewPosition="CC", BurnedInAnnotation="NO", PixelSpacingCalibrationType="GEOMETRY",
    )  # fmt: skip
    del ds.ImagePositionPatient, ds.ImageOrientationPatient
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 0, 8])
    table.add_new("LUTData", "US", [0, 80, 160, 255])
    ds.VOILUTSequence = [table]
    return ds


def _multiframe() -> FileDataset:
    ds = _image(NumberOfFrames=3, PixelData=_STORED.tobytes() * 3)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    del ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept
    ds.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[_item(PixelSpacing=[1.0, 1.0], SliceThickness=2.0)],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelValueTransformationSequence=[_item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")],
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = [
        _item(
            PlanePositionSequence=[_item(ImagePositionPatient=[0.0, 0.0, 2.0 * number])],
            FrameContentSequence=[_item(StackID="1", InStackPositionNumber=number + 1, TemporalPositionIndex=1)],
        )
        for number in range(3)
    ]
    return ds


def _mapped() -> FileDataset:
    unit = _item(CodeValue="{SUVbw}g/ml", CodingSchemeDesignator="UCUM", CodeMeaning="SUV")
    mapping = Dataset()
    mapping.MeasurementUnitsCodeSequence = [unit]
    mapping.add_new("RealWorldValueFirstValueMapped", "US", 0)
    mapping.add_new("RealWorldValueLastValueMapped", "US", 4095)
    mapping.RealWorldValueIntercept, mapping.RealWorldValueSlope = 0.0, 0.5
    return _image(Modality="PT", RealWorldValueMappingSequence=[mapping])


def _colour() -> FileDataset:
    return _image(
        SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB", BitsAllocated=8, BitsStored=8,
        HighBit=7, Modality="OT", PixelData=bytes(range(216)),
    )  # fmt: skip


def _palette() -> FileDataset:
    ds = _image(
        PhotometricInterpretation="PALETTE COLOR", BitsAllocated=8, BitsStored=8, HighBit=7, Modality="US",
        PixelData=bytes(range(72)),
    )  # fmt: skip
    for colour in ("Red", "Green", "Blue"):
        ds.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        table = np.arange(256, dtype=np.uint16) * 257
        ds.add_new(f"{colour}PaletteColorLookupTableData", "OW", table.tobytes())
    return ds


def _jpeg() -> FileDataset:
    packed = io.BytesIO()
    PIL.Image.fromarray((_STORED >> 4).astype(np.uint8)).save(packed, "JPEG")
    ds = _image(BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=encapsulate([packed.getvalue()]))
    ds["PixelData"].is_undefined_length = True
    return ds


def _bytes(ds: FileDataset, syntax: str | None = None) -> bytes:
    ds.file_meta.TransferSyntaxUID = syntax or ds.file_meta.TransferSyntaxUID
    content = io.BytesIO()
    plain = ds.file_meta.TransferSyntaxUID
    pydicom.dcmwrite(
        content, ds, enforce_file_format=True, implicit_vr=plain == ImplicitVRLittleEndian,
        little_endian=plain != ExplicitVRBigEndian,
    )  # fmt: skip
    return content.getvalue()
