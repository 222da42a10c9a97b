"""The words by which a case could be told: of its id, its paths, the names of its files, and its header."""

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from medseg import address
from medseg.case import Case
from medseg.io import formats
from medseg.outputs.report.names import plain_words

__all__ = ["telling_words"]

_SHORTEST = 3  # letters: less stands in any sentence
_FILES = 2000  # of a folder whose names are looked up
_TRIED = 5  # of them whose header is asked
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
_TEXTS = (
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "PatientComments",
    "ImageComments",
)  # in which anything is


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
        for file in (*_files(path), *_members(path)):
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


def _members(path: Path) -> Iterator[Path]:
    """The files and folders in a zip; nothing of what is none."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return
    with suppress(OSError, ValueError, RuntimeError, zipfile.BadZipFile), zipfile.ZipFile(path) as whole:
        for name in whole.namelist()[:_FILES]:
            yield from (Path(part) for part in name.split("/") if part)


def _said(path: Path) -> Iterator[str]:
    """What a header says of whose it is, or the JSON of dcm2niix beside a file; nothing where neither does."""
    header = _header(path) or _sidecar(path)
    yield from (str(header.get(name) or "") for name in _TEXTS)
    for name in _HEADER:
        text = str(header.get(name) or "")
        yield from (text, *text.replace("=", "^").split("^"))


def _header(path: Path) -> Mapping[str, Any]:
    """Of a file, or of the first one in a folder that can be read."""
    import pydicom

    from medseg.io.dicom.headers import BROKEN

    for file in islice((file for file in (path, *_files(path)) if file.is_file()), _TRIED):
        with suppress(*BROKEN):
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*_HEADER, *_TEXTS])
            return {name: header.get(name) for name in (*_HEADER, *_TEXTS)}
    return {}


def _sidecar(path: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError):
        said = json.loads(path.with_name(f"{formats.stem(path)}.json").read_text(encoding="utf-8"))
        return said if isinstance(said, dict) else {}
    return {}
