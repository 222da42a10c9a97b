"""The words by which a case could be told: of its id, its paths, the names of its files, and its header."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.outputs.report.names import plain_words

__all__ = ["telling_words"]

_SHORTEST = 3  # letters: less stands in any sentence
_FILES = 2000  # of a folder whose names are looked up
# Names of folders that are everybody's, and words that reasons of failures are made of.
_ANYBODYS = frozenset(
    (
        *("case", "cases", "channel", "data", "dataset", "dicom", "dir", "file", "files", "folder", "home", "image"),
        *("images", "imagestr", "imagests", "inbox", "input", "inputs", "labels", "mask", "masks", "media", "mnt"),
        *("nifti", "out", "scan", "scans", "series", "studies", "study", "test", "tmp", "train", "users", "volume"),
        "zip",
    )
)
_HEADER = (
    *("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientBirthDate"),
    *("PatientMotherBirthName", "PatientAddress", "PatientTelephoneNumbers", "MedicalRecordLocator", "AccessionNumber"),
    *("StudyID", "ReferringPhysicianName", "PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "OperatorsName"),
    *("RequestingPhysician", "InstitutionName", "InstitutionAddress", "StudyInstanceUID", "SeriesInstanceUID"),
)


def telling_words(case: Case) -> frozenset[str]:
    """Each as `medseg.outputs.report.names.plain_words` gives it; words that are anybody's are none of them.

    Args:
        case: Under its own name.
    """
    found = {plain_words(text) for text in _texts(case)}
    return frozenset(words for words in found if len(words) >= _SHORTEST and words not in _ANYBODYS)


def _texts(case: Case) -> Iterator[str]:
    yield from (case.id, case.patient, *case.id.replace("_", "-").split("-"))
    for image in case.images:
        path, inside = address.split(image)
        for part in (*path.parts, *path.resolve().parts, *Path(inside).parts):
            yield from (part, part.split(".")[0])
        for file in _files(path):
            yield from (file.name, file.name.split(".")[0])
        yield from _said(path)


def _files(path: Path) -> Iterator[Path]:
    """The files of a folder, up to a number of them."""
    left = _FILES
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            yield Path(folder, name)
        left -= len(names)
        if left <= 0:
            return


def _said(path: Path) -> Iterator[str]:
    """What the header of a file, or of the first file of a folder, says of whose it is; nothing where it has none."""
    import pydicom

    from medseg.io.dicom.headers import BROKEN

    first = next((file for file in _files(path) if file.is_file()), path)
    with suppress(*BROKEN):
        header = pydicom.dcmread(first, stop_before_pixels=True, specific_tags=list(_HEADER))
        for name in _HEADER:
            text = str(header.get(name) or "")
            yield from (text, *text.replace("=", "^").split("^"))
