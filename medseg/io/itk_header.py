"""What the text header of an NRRD or MetaImage file declares, checked before ITK opens what it points to."""

import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medseg.errors import UnreadableFileError
from medseg.io.stored import LARGEST_RATIO

__all__ = ["Declared", "declared"]

_LONGEST_HEADER = 1 << 20
_META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
_NRRD_TYPES = (
    (1, ("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t")),
    (2, ("short", "short int", "signed short", "signed short int", "int16", "int16_t")),
    (2, ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t")),
    (4, ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float")),
    (8, ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t")),
    (8, ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double")),
)
_NRRD_BYTES = {name: size for size, names in _NRRD_TYPES for name in names}
_PACKED = ("gzip", "gz")
_AS_TEXT = ("ascii", "text", "txt")
_ANATOMICAL = re.compile(r"^(left|right)-(anterior|posterior)-superior$|^(las|lps|ras)$")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a header says of its grid that ITK would replace by a default in silence."""

    spacing_known: bool
    notes: tuple[str, ...]


def declared(path: Path) -> Declared:
    """Check the header of a file and what it points to.

    Raises:
        UnreadableFileError: It is missing, not of its format, points to other folders or to several files, uses units
            other than mm, or declares more voxels than its data can hold.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST_HEADER)
        if path.suffix.lower() in (".nrrd", ".nhdr"):
            return _nrrd(path, start)
        return _meta(path, start)
    except OSError as error:
        found = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UnreadableFileError(path, found, "Check the path and its permissions.") from error


def _meta(path: Path, start: bytes) -> Declared:
    ending = re.search(rb"^[ \t]*ElementDataFile[ \t]*[=:]([^\r\n]*)\r?\n?", start, re.MULTILINE | re.IGNORECASE)
    if ending is None:
        raise _refused(path, "is not MetaImage: its header names no ElementDataFile")
    fields = _fields(start[: ending.start()], r"[=:]")
    kind = fields.get("elementtype", "").removeprefix("MET_").replace("_ARRAY", "")
    voxel = _META_BYTES.get(kind.removeprefix("U"), 0)
    channels = _whole(fields.get("elementnumberofchannels", "1"))
    sizes = _whole(fields.get("dimsize", ""))
    if not (voxel and sizes and len(channels) == 1):
        raise _refused(path, "has a broken header (NDims, DimSize or ElementType)")
    name = ending[1].decode("latin-1").strip()
    data, inside = (path, ending.end()) if name.upper() == "LOCAL" else (_beside(path, name), 0)
    packed = fields.get("compresseddata", "").lower() in ("true", "t", "1")
    text = fields.get("binarydata", "true").lower() not in ("true", "t", "1")
    _fits(path, data, inside, math.prod((*sizes, *channels)), voxel, packed=packed, text=text)
    _refuse_units(path, fields.get("distanceunits", "mm"))
    directed = {"transformmatrix", "rotation", "orientation"} & set(fields)
    notes = () if directed else ("the header states no directions: x is taken to run to the left, y to the back",)
    return Declared(bool({"elementspacing", "elementsize"} & set(fields)), notes if len(sizes) > 2 else ())


def _nrrd(path: Path, start: bytes) -> Declared:
    if not start.startswith(b"NRRD000"):
        raise _refused(path, "is not NRRD")
    blank = re.search(rb"\r?\n\r?\n", start)
    if blank is None and len(start) == _LONGEST_HEADER:
        raise _refused(path, "has a header without an end")
    fields = _fields(start[: blank.start()] if blank else start, r":(?!=)")
    sizes, voxel = _whole(fields.get("sizes", "")), _NRRD_BYTES.get(fields.get("type", "").lower(), 0)
    encoding = fields.get("encoding", "").lower()
    if not sizes or not voxel:
        raise _refused(path, "has a broken header (sizes or type)")
    if encoding not in ("raw", "hex", *_PACKED, *_AS_TEXT):
        raise _refused(path, f"is packed in an unknown way ({encoding!r})")
    name = fields.get("datafile", "")
    data, inside = (_beside(path, name), 0) if name else (path, blank.end() if blank else len(start))
    text = encoding in _AS_TEXT
    _fits(path, data, inside, math.prod(sizes), voxel, packed=encoding in _PACKED, text=text)
    for unit in re.findall(r'"([^"]*)"', fields.get("spaceunits", "") + fields.get("units", "")):
        _refuse_units(path, unit)
    notes: tuple[str, ...] = ()
    if not _ANATOMICAL.match(fields.get("space", "").lower()) and len(sizes) > 2:
        named = fields.get("space") or "none"
        notes = (f"the header states no anatomical space ({named}): x is taken to run to the left, y to the back",)
    return Declared(bool({"spacings", "spacedirections"} & set(fields)), notes)


def _fields(text: bytes, separator: str) -> dict[str, str]:
    """Names in lower case without spaces, and values; the first of equal names counts."""
    found: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines():
        name, *value = re.split(separator, line, maxsplit=1)
        if value and not line.startswith("#"):
            found.setdefault(re.sub(r"\s", "", name).lower(), value[0].strip())
    return found


def _whole(text: str) -> tuple[int, ...]:
    """The positive whole numbers of a field; none where it holds anything else."""
    parts = text.split()
    if not 0 < len(parts) < 16 or not all(re.fullmatch(r"[0-9]{1,18}", part) for part in parts):
        return ()
    return tuple(int(part) for part in parts) if all(int(part) for part in parts) else ()


def _beside(path: Path, name: str) -> Path:
    """The one file in or below the header's folder that it names."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if name.upper().startswith("LIST") or "%" in name:
        raise _refused(path, f"is spread over several files ({name})")
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise _refused(path, f"points out of its folder ({name})")
    data = path.parent / name
    if not name or not data.is_file():
        raise _refused(path, f"is a header without its voxels ({name or 'no file'} is missing)")
    return data


def _fits(path: Path, data: Path, inside: int, values: int, voxel: int, *, packed: bool, text: bool) -> None:
    room = data.stat().st_size - inside
    needed = 2 * values - 1 if text else values * voxel
    if needed > room * (LARGEST_RATIO if packed else 1):
        raise _refused(path, f"declares {values} values of {voxel} bytes and holds {room} bytes of data")


def _refuse_units(path: Path, unit: str) -> None:
    if unit.strip().lower() not in ("", "mm", "millimeter", "millimeters", "?", "none", "s", "ms", "sec"):
        raise _refused(path, f"states lengths in {unit!r} instead of mm")


def _refused(path: Path, found: str) -> UnreadableFileError:
    return UnreadableFileError(path, found, "Write it again as one file: .nrrd, .mha or .nii.gz.")
