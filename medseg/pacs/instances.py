"""DICOM instances as they come over the network: whether one is whole, and where it belongs."""

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import UnreadableFileError

__all__ = ["Instance", "look_at", "stamp"]

_AGAIN = "Send or export it again from where it was made."
_UNDEFINED = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"  # the delimiter that ends encapsulated pixels


@dataclass(frozen=True)
class Instance:
    """What a file holds.

    Args:
        uid: SOPInstanceUID.
        kind: SOPClassUID.
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        syntax: Its transfer syntax.
    """

    uid: str
    kind: str
    study: str
    series: str
    syntax: str = ""


def look_at(path: Path) -> Instance:
    """Whose file it is; one that was cut off is refused.

    Raises:
        UnreadableFileError: It is no DICOM, lacks a UID, or ends before its pixels do.
    """
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are against the standard, which is for who reads them
        try:
            found = pydicom.dcmread(path)
            uids = [str(found.get(key, "")) for key in _UIDS]
            missing = _missing_pixels(found)
        except Exception as error:  # pydicom raises what it likes
            raise UnreadableFileError(path, f"is no whole DICOM object ({error})", _AGAIN) from error
    if not all(uids):
        lacking = ", ".join(key for key, uid in zip(_UIDS, uids, strict=True) if not uid)
        raise UnreadableFileError(path, f"ends before, or lacks, its {lacking}", _AGAIN)
    if missing:
        raise UnreadableFileError(path, missing, _AGAIN)
    uid, kind, study, series = uids
    return Instance(uid, kind, study, series, str(found.file_meta.get("TransferSyntaxUID", "")))


_UIDS = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")


def _missing_pixels(found: object) -> str:
    """What is wrong with the pixels of an image, "" where nothing is."""
    import pydicom
    from pydicom.pixels.utils import get_expected_length
    from pydicom.uid import UID_dictionary

    assert isinstance(found, pydicom.Dataset)
    if "PixelData" not in found:
        other = "FloatPixelData" in found or "DoubleFloatPixelData" in found
        image = "Image Storage" in UID_dictionary.get(str(found.SOPClassUID), ("",))[0]
        return "ends before its pixels" if image and not other else ""
    pixels = found.PixelData
    syntax = found.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        return "" if len(pixels) > len(_UNDEFINED) else "ends within its pixels"
    expected = get_expected_length(found)
    return f"has {len(pixels)} of {expected} bytes of pixels" if len(pixels) < expected else ""


def stamp(path: Path) -> None:
    """Give a file a time that stands for its content, so that the same one fetched again is known as the same input.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    seconds = int.from_bytes(found[:4]) >> 1  # of 1970 to 2038, which every disk can hold
    nanoseconds = int.from_bytes(found[4:8]) % 10_000_000 * 100
    os.utime(path, ns=(seconds * 10**9 + nanoseconds,) * 2)
