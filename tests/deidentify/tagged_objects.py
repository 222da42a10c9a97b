"""Objects whose every attribute says whose it is, as tests of de-identification need them."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import DataElement, Dataset, Sequence
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

from medseg.deidentify import table

BORN, SEEN = "19641231", "20190517"
UID_ROOT = "1.3.6.1.4.1.99999"
# Newer than pydicom's dictionary.
NEWER = {
    "3004007F": "LO",
    "0040B034": "DT", "0040E012": "UR", "0040A034": "DT", "0040A035": "DT", "00102162": "UC", "00100044": "SQ",
    "00100045": "UT", "00100041": "SQ", "00081304": "SQ", "0040B03F": "SH", "0040B03B": "UC", "00100012": "LT",
    "00100013": "LT", "00100011": "SQ", "00081302": "SQ", "00081301": "SQ", "00100015": "SQ", "00100016": "UT",
    "00081303": "SQ", "0040B036": "DT", "00100046": "SQ", "00100042": "UT", "00100047": "UR", "00100043": "SQ",
    "00100014": "SQ",
}  # fmt: skip


def vr_of(tag: int) -> str:
    """The value representation of an attribute of the table; the first where the dictionary names several."""
    return NEWER.get(f"{tag:08X}") or dictionary_VR(tag).split(" ")[0]


def secret(tag: int) -> str:
    """A text that stands nowhere else."""
    return f"SECRET{tag:08X}"


def value(tag: int) -> Any:
    """A value of an attribute that nobody else has."""
    vr = vr_of(tag)
    known = {
        "AS": "042Y", "CS": "F", "DA": SEEN, "DT": f"{SEEN}123456.789", "TM": "123456", "DS": "47.11", "IS": "4711",
        "OB": secret(tag).encode(), "UN": secret(tag).encode(), "UI": f"{UID_ROOT}.{tag}", "AT": 0x00100010,
        "US": 4711, "UL": 4711, "SL": 4711, "FL": 47.11, "FD": 47.11, "UR": f"urn:{secret(tag)}",
        "PN": f"{secret(tag)}^GIVEN{tag:08X}",
    }  # fmt: skip
    special = {0x00100030: BORN, 0x00080201: "+0130"}
    return special.get(tag) or known.get(vr, secret(tag))


def element(tag: int) -> DataElement:
    """An attribute with such a value; a sequence has one item with a code nobody else uses and a name."""
    if vr_of(tag) != "SQ":
        return DataElement(tag, vr_of(tag), value(tag))
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = f"V{tag:08X}", "99HOSPITAL", secret(tag)
    item.ReferencedSOPInstanceUID = f"{UID_ROOT}.7.{tag}"
    item.PersonName = f"{secret(tag)}^GIVEN{tag:08X}"
    return DataElement(tag, "SQ", Sequence([item]))


def tags() -> list[int]:
    """All of the table that a data set may hold: not those of commands, heads of files and directories."""
    return [tag for tag in sorted(table.ACTIONS) if tag >> 16 not in (0x0000, 0x0002, 0x0004)]


def full_object(sop_class: str = EnhancedCTImageStorage, number: int = 1) -> FileDataset:
    """An object with every attribute of the table, once by itself and once inside a sequence."""
    ds = plain_object(sop_class, number)
    inner = Dataset()
    for tag in tags():
        if tag not in (0x00080018, 0x0020000D, 0x0020000E):
            inner.add(element(tag))
            ds.add(element(tag))
    ds.ReferencedSeriesSequence = [inner]
    for group in (0x5000, 0x6000, 0x6002):
        ds.add_new((group, 0x3000), "OW", b"SECRETGRAPHICS")
        ds.add_new((group, 0x4000), "LT", "SECRETCOMMENT")
    block = ds.private_block(0x0029, "SECRET HOSPITAL", create=True)
    block.add_new(0x10, "LO", "SECRETPRIVATE")
    return ds


def plain_object(sop_class: str = CTImageStorage, number: int = 1, patient: str = "SECRETPATIENT") -> FileDataset:
    """A small picture of a patient."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.SourceApplicationEntityTitle = "SECRETAE"
    meta.PrivateInformationCreatorUID, meta.PrivateInformation = f"{UID_ROOT}.1", b"SECRETINFORMATION"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"SECRETPREAMBLE".ljust(128, b"\0"))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{UID_ROOT}.3", f"{UID_ROOT}.4"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, f"{UID_ROOT}.2.{int.from_bytes(patient.encode()) % 10**9}.{number}"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = f"{patient}^GIVEN", f"{patient}ID", BORN
    ds.StudyDate, ds.Modality, ds.Manufacturer = SEEN, "CT", "Scanners & Sons"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 24, 32, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    pixels = np.random.default_rng(number).integers(100, 4000, (24, 32), dtype=np.uint16)
    ds.PixelData = pixels.tobytes()
    return ds


def save(ds: FileDataset, path: Path) -> Path:
    """Write it with the preamble it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path
