"""How every object begins: the patient and study of its source, its own series, who made it, and UIDs from content.

An object's bytes follow from its content like its UIDs do, so it is dated as its source is and says nothing of when it
was written: an identical run gives the same file again.
"""

import copy
import hashlib
import json
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.atomic import atomic_path
from medseg.image import Segmentation
from medseg.io.dicom.headers import BROKEN
from medseg.labels import Code
from medseg.outputs.dicom.identity import Author, uid_of
from medseg.outputs.dicom.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["begun", "code_item", "content_of", "dated", "reference", "short_text", "write"]

# What belongs to the patient and the study is copied whole (PS3.3 C.7.1.1, C.7.1.3, C.7.2.1 to C.7.2.3, C.12.1).
_PATIENT = (
    "PatientName", "PatientID", "IssuerOfPatientID", "TypeOfPatientID", "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate", "PatientBirthTime", "PatientSex", "OtherPatientIDsSequence", "OtherPatientNames", "EthnicGroup",
    "PatientComments", "QualityControlSubject", "PatientSpeciesDescription", "PatientSpeciesCodeSequence",
    "PatientBreedDescription", "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson",
    "ResponsiblePersonRole", "ResponsibleOrganization", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "ClinicalTrialSponsorName", "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
)  # fmt: skip
_STUDY = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
    "IssuerOfAccessionNumberSequence", "StudyDescription", "PhysiciansOfRecord", "ProcedureCodeSequence",
    "AdmittingDiagnosesDescription", "PatientAge", "PatientSize", "PatientWeight", "Occupation",
    "AdditionalPatientHistory", "AdmissionID", "PatientSexNeutered", "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription", "LongitudinalTemporalOffsetFromEvent", "LongitudinalTemporalEventType",
    "TimezoneOffsetFromUTC", "LongitudinalTemporalInformationModified",
)  # fmt: skip
_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName",
    "StudyID", "AccessionNumber",
)  # fmt: skip
# What objects take over from the first instance besides
_TAKEN_OVER = (
    "FrameOfReferenceUID", "PositionReferenceIndicator", "PatientOrientation", "SliceThickness", "PixelSpacing",
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod", "BodyPartExamined",
    "Laterality", "ImageLaterality", "BurnedInAnnotation",
)  # fmt: skip
_DATES = ("Content", "Acquisition", "Series", "Study")
_MAKER = "medseg"
_IMPLEMENTATION = uid_of("implementation")


def begun(
    source: Source, author: Author, storage: str, modality: str, name: str, *parts: str | int, implicit: bool = False
) -> "Dataset":
    """A data set with its file meta information, patient, study, series and equipment.

    Args:
        source: What it refers to.
        author: Who made it.
        storage: Its SOP class.
        modality: Of its series.
        name: What it is, for the description of the series.
        parts: All that makes its series another one, besides source and author: the pixels' digest above all.
        implicit: Without value representations: these limit most values to 64 KiB, which long contours exceed.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    ds = _copied(source.first)
    ds.Modality = modality
    # What is corrected in the archive keeps the UIDs of the images, but results must not keep theirs.
    copied = [str(ds), *dated(source), *(str(source.first.get(name, "")) for name in _TAKEN_OVER)]
    whose = hashlib.sha256(json.dumps(copied).encode()).hexdigest()
    ds.SeriesInstanceUID = uid_of("series", storage, *source.uids, whose, *author.parts, *parts)
    ds.SOPClassUID, ds.SOPInstanceUID = UID(storage), UID(uid_of("instance", ds.SeriesInstanceUID, 1))
    ds.InstanceNumber = 1
    ds.SeriesDescription = short_text(f"{name} by {author.model}" if author.model else name, 64)
    ds.Manufacturer, ds.ManufacturerModelName = _MAKER, short_text(author.model, 64) or _MAKER
    if author.model_hash:
        ds.DeviceSerialNumber = author.model_hash[:64]
    ds.SoftwareVersions = short_text(author.version, 64) or _MAKER
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    meta.ImplementationVersionName = _MAKER.upper()
    ds.file_meta = meta
    return ds


def _copied(first: "Dataset") -> "Dataset":
    """Patient and study of an instance, their text in Unicode, whichever characters the source is written in.

    What the source has wrong stays wrong as far as it can be written again, and is left out otherwise.
    """
    from pydicom import Dataset

    kept = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*_PATIENT, *_STUDY):
            if name in first:
                with suppress(*BROKEN):
                    kept[name] = copy.deepcopy(first[name])
        if "SpecificCharacterSet" in first:
            kept.SpecificCharacterSet = first.SpecificCharacterSet
        kept.decode()
    kept.SpecificCharacterSet = "ISO_IR 192"
    for name in _EMPTY:
        if name not in kept:
            setattr(kept, name, "")
    return kept


def dated(source: Source) -> tuple[str, str]:
    """Date and time (DA and TM) of the source's content, acquisition, series or study, the first that it has."""
    for kind in _DATES:
        date, time = (str(source.first.get(f"{kind}{part}") or "") for part in ("Date", "Time"))
        if date:
            return date, time or "000000"
    return "19000101", "000000"


def content_of(segmentation: Segmentation) -> str:
    """SHA-256 of a mask's voxels and of what they mean."""
    digest = hashlib.sha256(json.dumps([asdict(one) for one in segmentation.labels.labels], default=str).encode())
    digest.update(json.dumps([segmentation.mask.shape, segmentation.mask.dtype.str]).encode())
    digest.update(segmentation.geometry.affine.tobytes())
    for plane in segmentation.mask:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def code_item(code: Code) -> "Dataset":
    """The item of a code sequence; a code of more than 16 letters is a long one."""
    from pydicom import Dataset

    item = Dataset()
    setattr(item, "CodeValue" if len(code.value) <= 16 else "LongCodeValue", code.value)
    item.CodingSchemeDesignator, item.CodeMeaning = code.scheme, short_text(code.meaning, 64)
    return item


def reference(dataset: "Dataset", frame: int | None = None) -> "Dataset":
    """An item that names an instance, and a frame of one that has several."""
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    if frame is not None and int(dataset.get("NumberOfFrames") or 1) > 1:
        item.ReferencedFrameNumber = frame
    return item


def short_text(text: str, most: int) -> str:
    """As many characters as an element takes, without those that DICOM keeps for itself."""
    plain = "".join(" " if char == "\\" or ord(char) < 32 else char for char in text)
    return " ".join(plain.split())[:most].strip()


def write(dataset: "Dataset", path: Path) -> Path:
    """Write an object, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of values that the source itself has wrong
        dataset.save_as(temporary, enforce_file_format=True)
    return path
