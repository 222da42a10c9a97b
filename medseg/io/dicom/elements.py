"""The few top-level elements of a DICOM header that reading needs, parsed straight from its bytes.

pydicom reads every header right, at 900 files a second; scanning tens of thousands of files needs more. This parser
knows the plain little-endian encodings only, and raises `UnusualError` for everything else, which pydicom then reads.
"""

import struct
import warnings
from collections.abc import Mapping
from typing import Any

__all__ = [
    "DEFLATED",
    "WANTED",
    "CrowdedError",
    "ShortError",
    "UnusualError",
    "as_number",
    "parse",
    "parse_inflated",
    "sign_padding",
]

UNDEFINED = 0xFFFFFFFF
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
_EXPLICIT_HEAD = struct.Struct("<HH2sH")
_IMPLICIT_HEAD = struct.Struct("<HHI")
_LENGTH = struct.Struct("<I")
_MOST = 50_000  # elements that are not nested; pydicom takes 400 bytes for each
_LARGEST = 4096  # bytes; a longer value of what we want is nothing that we could use

# tag: (keyword, kind of its values); "SQ" stands for its presence alone
WANTED: dict[int, tuple[str, str]] = {
    0x00080005: ("SpecificCharacterSet", "CS"), 0x00080008: ("ImageType", "CS"),
    0x00080016: ("SOPClassUID", "UI"), 0x00080018: ("SOPInstanceUID", "UI"),
    0x00080020: ("StudyDate", "DA"), 0x00080021: ("SeriesDate", "DA"),
    0x00080022: ("AcquisitionDate", "DA"), 0x0008002A: ("AcquisitionDateTime", "DT"), 0x00080031: ("SeriesTime", "TM"),
    0x00080032: ("AcquisitionTime", "TM"), 0x00080060: ("Modality", "CS"),
    0x0008103E: ("SeriesDescription", "LO"), 0x00089208: ("ComplexImageComponent", "CS"),
    0x00100020: ("PatientID", "LO"),
    0x00180050: ("SliceThickness", "DS"), 0x00180081: ("EchoTime", "DS"), 0x00180086: ("EchoNumbers", "IS"),
    0x00180088: ("SpacingBetweenSlices", "DS"), 0x00181060: ("TriggerTime", "DS"),
    0x00189087: ("DiffusionBValue", "FD"), 0x00189089: ("DiffusionGradientOrientation", "FD"),
    0x0020000D: ("StudyInstanceUID", "UI"), 0x0020000E: ("SeriesInstanceUID", "UI"),
    0x00200011: ("SeriesNumber", "IS"), 0x00200012: ("AcquisitionNumber", "IS"),
    0x00200013: ("InstanceNumber", "IS"), 0x00200032: ("ImagePositionPatient", "DS"),
    0x00200037: ("ImageOrientationPatient", "DS"), 0x00200052: ("FrameOfReferenceUID", "UI"),
    0x00200100: ("TemporalPositionIdentifier", "IS"),
    0x00280002: ("SamplesPerPixel", "US"), 0x00280004: ("PhotometricInterpretation", "CS"),
    0x00280006: ("PlanarConfiguration", "US"), 0x00280008: ("NumberOfFrames", "IS"),
    0x00280010: ("Rows", "US"), 0x00280011: ("Columns", "US"), 0x00280030: ("PixelSpacing", "DS"),
    0x00280100: ("BitsAllocated", "US"), 0x00280101: ("BitsStored", "US"), 0x00280102: ("HighBit", "US"),
    0x00280103: ("PixelRepresentation", "US"), 0x00280120: ("PixelPaddingValue", "US"),
    0x00280121: ("PixelPaddingRangeLimit", "US"),
    0x00281052: ("RescaleIntercept", "DS"), 0x00281053: ("RescaleSlope", "DS"),
    0x00281054: ("RescaleType", "LO"), 0x00282110: ("LossyImageCompression", "CS"),
    0x00283000: ("ModalityLUTSequence", "SQ"),
    0x00409096: ("RealWorldValueMappingSequence", "SQ"),
    0x52009230: ("PerFrameFunctionalGroupsSequence", "SQ"),
    0x7FE00001: ("ExtendedOffsetTable", "OV"), 0x7FE00002: ("ExtendedOffsetTableLengths", "OV"),
}  # fmt: skip
_META = {0x00020002: ("MediaStorageSOPClassUID", "UI"), 0x00020010: ("TransferSyntaxUID", "UI")}


class UnusualError(Exception):
    """Something that this parser leaves to pydicom."""


class CrowdedError(Exception):
    """There are more elements than any header has."""


class ShortError(Exception):
    """More bytes of the file are needed."""


def parse(data: bytes) -> tuple[dict[str, Any], int]:
    """The wanted values by keyword, and the byte where the pixel data element begins (the end where there is none).

    Args:
        data: The file from its first byte on.

    Of a deflated file only the meta group is read, and where the deflated stream begins.

    Raises:
        CrowdedError: There are absurdly many elements.
        ShortError: The data ends inside an element; what is cut off may be in the rest of the file.
        UnusualError: The encoding is not plain little-endian.
    """
    values: dict[str, Any] = {}
    at = 0
    if data[128:132] == b"DICM":
        at = _elements(data, 132, True, values, _META, stop_after_group=2)
    syntax = values.get("TransferSyntaxUID")
    if syntax == DEFLATED:
        return values, at
    if syntax == _BIG_ENDIAN or (at and syntax is None):
        raise UnusualError
    if not at and data[:2] != b"\x08\x00":
        raise UnusualError
    explicit = syntax != _IMPLICIT if syntax else data[4:6] in _SHORT_VRS
    values.setdefault("TransferSyntaxUID", "1.2.840.10008.1.2.1" if explicit else _IMPLICIT)
    at = _elements(data, at, explicit, values, WANTED)
    sign_padding(values)
    return values, at


def parse_inflated(data: bytes, values: dict[str, Any]) -> int:
    """Add the wanted values of an inflated stream to those of its meta group; where the pixels begin in it."""
    at = _elements(data, 0, True, values, WANTED)
    sign_padding(values)
    return at


def sign_padding(values: dict[str, Any]) -> None:
    """Read padding values as signed where the pixels are: files state their type wrongly as often as rightly."""
    if values.get("PixelRepresentation") == 1:
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
            if isinstance(stored := values.get(keyword), int) and stored >= 1 << 15:
                values[keyword] = stored - (1 << 16)


def _elements(
    data: bytes,
    at: int,
    explicit: bool,
    values: dict[str, Any],
    wanted: dict[int, tuple[str, str]],
    stop_after_group: int = 0xFFFF,
) -> int:
    """Collect the wanted elements from `at` on; the byte where the pixels, the next group or the end begins."""
    end, previous = len(data), 0
    for _ in range(_MOST):
        if at >= end:
            return at
        if at + 12 > end:
            raise ShortError
        # The group is looked at first: what follows the file's meta group may be in another encoding.
        if int.from_bytes(data[at : at + 2], "little") > stop_after_group:
            return at
        tag, start, length, vr = _head(data, at, explicit)
        if tag in _PIXELS:
            return at
        if tag <= previous:  # elements are sorted; otherwise this is no DICOM, or we have lost our way
            raise UnusualError
        previous = tag
        at = _end_of_value(data, start, length, vr, explicit)
        if found := wanted.get(tag):
            values[found[0]] = True if found[1] == "SQ" else _value(data[start:at], found[1], values)
    raise CrowdedError


def _end_of_value(data: bytes, start: int, length: int, vr: bytes, explicit: bool) -> int:
    if length == UNDEFINED:
        if explicit and vr != b"SQ":
            raise UnusualError
        return _after_sequence(data, start, explicit)
    if start + length > len(data):
        raise ShortError
    return start + length


def _head(data: bytes, at: int, explicit: bool) -> tuple[int, int, int, bytes]:
    """Tag, first byte of the value, its length and, in explicit encoding, its kind."""
    if not explicit:
        group, element, length = _IMPLICIT_HEAD.unpack_from(data, at)
        return group << 16 | element, at + 8, length, b""
    group, element, vr, short = _EXPLICIT_HEAD.unpack_from(data, at)
    if vr in _SHORT_VRS:
        return group << 16 | element, at + 8, short, vr
    if vr in _LONG:
        return group << 16 | element, at + 12, _LENGTH.unpack_from(data, at + 8)[0], vr
    raise UnusualError


def _after_sequence(data: bytes, at: int, explicit: bool, depth: int = 0) -> int:
    """The byte after a sequence of undefined length whose first item begins at `at`."""
    if depth > 16:
        raise UnusualError
    while True:
        if at + 8 > len(data):
            raise ShortError
        group, element, length = _IMPLICIT_HEAD.unpack_from(data, at)
        tag, at = group << 16 | element, at + 8
        if tag == _SEQUENCE_END:
            return at
        if tag != _ITEM:
            raise UnusualError
        at = at + length if length != UNDEFINED else _after_item(data, at, explicit, depth)


def _after_item(data: bytes, at: int, explicit: bool, depth: int) -> int:
    """The byte after an item of undefined length whose first element begins at `at`."""
    while True:
        if at + 12 > len(data):
            if data[at : at + 4] == b"\xfe\xff\x0d\xe0" and at + 8 <= len(data):
                return at + 8
            raise ShortError
        group, element, _length = _IMPLICIT_HEAD.unpack_from(data, at)
        if group << 16 | element == _ITEM_END:
            return at + 8
        _tag, start, length, vr = _head(data, at, explicit)
        if length == UNDEFINED and explicit and vr != b"SQ":
            raise UnusualError
        at = start + length if length != UNDEFINED else _after_sequence(data, start, explicit, depth + 1)


def _value(raw: bytes, kind: str, values: Mapping[str, Any]) -> Any:
    """Text, a number, or a tuple of several; numbers that are none stay text, tables stay bytes."""
    if kind == "OV":
        return raw
    if len(raw) > _LARGEST:
        return None
    if kind in ("US", "FD"):
        size, code = (2, "H") if kind == "US" else (8, "d")
        numbers = struct.unpack(f"<{len(raw) // size}{code}", raw[: len(raw) // size * size])
        return numbers[0] if len(numbers) == 1 else numbers or None
    parts: list[Any] = [part.strip(" \0") for part in _text(raw, values).split("\\")]
    if kind in ("DS", "IS"):
        parts = [as_number(part, kind) for part in parts]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _text(raw: bytes, values: Mapping[str, Any]) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        from pydicom.charset import convert_encodings, decode_bytes

        named = values.get("SpecificCharacterSet") or ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what cannot be decoded is marked in the text itself
                encodings = convert_encodings(list(named) if isinstance(named, tuple) else named)
                return decode_bytes(raw, encodings, set())
        except (LookupError, ValueError) as error:
            raise UnusualError from error


def as_number(part: str, kind: str) -> float | int | str | None:
    """A decimal ("DS") or integer ("IS") string as a number, or as it is where it is none; `None` if empty."""
    if not part:
        return None
    try:
        return int(part) if kind == "IS" else float(part)
    except ValueError:
        return part
