"""The headers of one DICOM series: which files of a folder are its slices, in no order yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

from medseg.errors import InputError, UnreadableFileError
from medseg.io import formats

__all__ = ["RADIOGRAPHS", "Slice", "describe_series", "image_headers", "one_series"]

RADIOGRAPHS = ("CR", "DX", "MG", "RG", "IO", "PX", "XA", "RF")
_NOT_IMAGES = ("SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "RTRECORD", "SR", "PR", "KO", "REG", "RWV", "AU", "ECG", "DOC")
_BROKEN = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    NotImplementedError,
)
_EXPORT_AGAIN = "Fetch or export it again."


@dataclass(frozen=True)
class Slice:
    """One image file: its header without pixels and the byte where the pixel data element begins."""

    path: Path
    header: Any
    pixels_at: int

    @property
    def series(self) -> str:
        """Its SeriesInstanceUID."""
        return str(self.header.get("SeriesInstanceUID", ""))

    @property
    def modality(self) -> str:
        """DICOM's word for it, such as "CT"."""
        return str(self.header.get("Modality", "") or "")


def one_series(source: Path | Sequence[Path]) -> tuple[list[Slice], tuple[str, ...]]:
    """The image slices of a folder or of files, which must be one series, and notes on what was left out.

    Raises:
        UnreadableFileError: A file is broken, or there is no image.
        InputError: There are several image series; they are listed.
    """
    if isinstance(source, Path):
        where = source
        files = sorted(source.iterdir()) if source.is_dir() else [source]
    else:
        where, files = Path(source[0]).parent, [Path(path) for path in source]
    slices, notes = image_headers(files)
    if not slices:
        raise UnreadableFileError(
            where, "holds no DICOM image", "Pass the folder in which the slices of one series lie."
        )
    groups: dict[str, list[Slice]] = {}
    for one in slices:
        groups.setdefault(one.series, []).append(one)
    if len(groups) > 1:
        listed = "; ".join(describe_series(group) for group in groups.values())
        raise InputError(
            where,
            f"holds {len(groups)} image series ({listed})",
            "Put each series into a folder of its own and pass that.",
            "one",
        )
    return slices, notes


def image_headers(files: Iterable[Path]) -> tuple[list[Slice], tuple[str, ...]]:
    """Headers of all images among files; other DICOM objects are passed over, other files too with a note."""
    slices, others = [], []
    for path in files:
        if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
            continue
        try:
            one = _header(path)
        except OSError as error:
            raise UnreadableFileError(path, f"cannot be read ({error})", "Check its permissions.") from error
        if one is None:
            others.append(path.name)
        elif _is_image(one):
            slices.append(one)
    unnamed = [name for name in others if "." not in name]
    return slices, (f"not DICOM, left out: {', '.join(unnamed)}",) if unnamed else ()


def describe_series(slices: Sequence[Slice]) -> str:
    """A series in a few words, for messages."""
    header = slices[0].header
    name = header.get("SeriesDescription", "") or f"series {header.get('SeriesNumber', '?')}"
    return f"{slices[0].modality} {str(name)!r}: {len(slices)} files, first {slices[0].path.name}"


def _is_image(one: Slice) -> bool:
    """Whether it has pixels of its own; one that should and has none was cut off, and must not go unnoticed."""
    if one.modality in _NOT_IMAGES:
        return False
    if "Rows" in one.header:
        return True
    meta = getattr(one.header, "file_meta", None) or {}
    kind = one.header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
    if not kind or "Image Storage" in getattr(kind, "name", ""):
        raise UnreadableFileError(one.path, "ends before its pixels", _EXPORT_AGAIN)
    return False


def _header(path: Path) -> Slice | None:
    """A header, or `None` for a file that is no DICOM and does not claim to be by its ending."""
    claims = formats.ending(path) in formats.DICOM_ENDINGS
    if not claims and not (formats.may_be_dicom(path) and formats.is_dicom(path)):
        return None
    if not formats.is_dicom(path):
        raise UnreadableFileError(path, "is empty or not DICOM", _EXPORT_AGAIN)
    with path.open("rb") as file:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        except _BROKEN as error:
            raise UnreadableFileError(path, f"has a broken header ({error})", _EXPORT_AGAIN) from error
        pixels_at = file.tell()
    if "Rows" in header and pixels_at >= path.stat().st_size:
        raise UnreadableFileError(path, "ends before its pixels", _EXPORT_AGAIN)
    return Slice(path, header, pixels_at)
