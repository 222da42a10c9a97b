"""Reads an object whole, or refuses it: what was cut off must not be written as a shorter object."""

from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medseg.deidentify.pixels import check_length
from medseg.deidentify.refusal import RefusedError

__all__ = ["read_whole"]

_UNDEFINED: Final = 2**32 - 1


def read_whole(path: Path) -> Dataset:
    """The object in a file, with a transfer syntax and the UIDs of its class and itself.

    Raises:
        RefusedError: It is broken, cut off, a directory of a medium, or no object.
    """
    try:
        with path.open("rb") as file:
            dataset = pydicom.dcmread(file, force=True)
            whole = file.tell() == path.stat().st_size
    except Exception as error:
        raise RefusedError(f"is broken ({type(error).__name__})") from error
    if not whole or any(_is_short(dataset.get_item(tag)) for tag in dataset.keys()):  # noqa: SIM118 - not its elements
        raise RefusedError("is broken: it cannot be read to its end")
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise RefusedError("is a directory of a medium (DICOMDIR), which would no longer fit", "skipped")
    for keyword in ("SOPClassUID", "SOPInstanceUID"):  # some programs empty these and leave them in the file's head
        if not dataset.get(keyword):
            setattr(dataset, keyword, dataset.file_meta.get(f"MediaStorage{keyword}") or "")
    if not dataset.get("SOPClassUID") or not dataset.get("SOPInstanceUID"):
        raise RefusedError("has no SOP class or instance UID: not an object of DICOM")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = _syntax(bool(implicit), bool(little))
    check_length(dataset)
    return dataset


def _is_short(element: Any) -> bool:
    """Whether an attribute, as it was read, has fewer bytes than it says."""
    if not isinstance(element, RawDataElement) or element.length == _UNDEFINED:
        return False
    return len(element.value or b"") < element.length


def _syntax(implicit: bool, little: bool) -> UID:
    """How a file is encoded that has no head to say so."""
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian
