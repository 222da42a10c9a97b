"""Deflated DICOM files, which may unfold to a thousand times their size: measured before they are inflated whole."""

import zlib
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medseg.errors import UnreadableFileError

__all__ = ["check_inflated"]

_LARGEST = 2**30
_CHUNK = 2**20
_EXPORT_AGAIN = "Fetch or export it again."
_META_START, _META_GROUP_HEAD = 132, 12


def check_inflated(path: Path, largest: int = _LARGEST) -> None:
    """Refuse a deflated file that unfolds to more bytes than `largest`; other files are let through.

    Raises:
        UnreadableFileError: It is too large, or no deflated stream.
    """
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    size, inflate = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        file.seek(_META_START + _META_GROUP_HEAD + int(meta.get("FileMetaInformationGroupLength") or 0))
        try:
            while not inflate.eof and size <= largest and (packed := inflate.unconsumed_tail or file.read(_CHUNK)):
                size += len(inflate.decompress(packed, _CHUNK))
        except zlib.error as error:
            raise UnreadableFileError(path, f"is not deflated as it says ({error})", _EXPORT_AGAIN) from error
    if size > largest:
        raise UnreadableFileError(
            path, f"unfolds to more than {largest >> 20} MiB", "It is damaged, or made to fill the memory."
        )
    if not inflate.eof:
        raise UnreadableFileError(path, "ends before its deflated data do", _EXPORT_AGAIN)
