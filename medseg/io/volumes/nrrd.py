"""NRRD, `.nrrd` and `.nhdr`. ITK's own reader is not used: a damaged header makes it end the whole process."""

import math
import re
from pathlib import Path

import numpy as np

from medseg.errors import GeometryError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.volumes import text_header
from medseg.io.volumes.stored import Stretch
from medseg.io.volumes.volume_file import VolumeFile
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_TYPES = (
    ("i1", "signed char", "int8", "int8_t"),
    ("u1", "uchar", "unsigned char", "uint8", "uint8_t"),
    ("i2", "short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    ("u2", "ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    ("i4", "int", "signed int", "int32", "int32_t"),
    ("u4", "uint", "unsigned int", "uint32", "uint32_t"),
    ("i8", "longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    ("u8", "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    ("f4", "float"),
    ("f8", "double"),
)
_DTYPES = {name: kind for kind, *names in _TYPES for name in names}
_ORDERS = {"little": "<", "big": ">"}
_SPACES = {  # for x, y, z of the file's world: -1 where it runs against RAS+
    **dict.fromkeys(("right-anterior-superior", "ras"), (1, 1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1, 1, 1)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1, -1, 1)),
}
_SPATIAL_KINDS = ("domain", "space", "time", "list", "???", "none")  # the last two may only count volumes


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """An NRRD file as one channel in its stored type; of a fourth (slowest) axis, the volume that is chosen.

    Raises:
        UnreadableFileError: The file is missing or broken, has several numbers a voxel, leads out of its folder or
            declares more than it holds.
        GeometryError: The grid is singular or in other units than mm, or no volume of several is chosen.
        InputError: There is no volume of the number that is asked for.
    """
    return _described(path).image(inside, options)


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    return _described(path).grid(inside, options)


def _described(path: Path) -> VolumeFile:
    start = text_header.start_of(path)
    if not start.startswith(b"NRRD000"):
        raise text_header.refused(path, "is not NRRD")
    blank = re.search(rb"\r?\n\r?\n", start)
    fields = text_header.fields(start[: blank.start()] if blank else start, r":(?!=)")
    sizes = text_header.sizes(path, fields.get("sizes", ""))
    kinds = fields.get("kinds", "").lower().split()
    if any(kind not in _SPATIAL_KINDS for kind in kinds) or any(kind in ("list", "time") for kind in kinds[:3]):
        raise text_header.refused(path, f"holds several numbers a voxel (kinds: {' '.join(kinds)[:60]})")
    geometry, notes = _geometry(path, fields, sizes)
    name = fields.get("datafile", "")
    if not name and not blank:
        raise text_header.refused(path, "has a header without an end")
    data, begin = (path, blank.end()) if blank and not name else (text_header.beside(path, name), 0)
    return VolumeFile(path, geometry, _stretch(path, fields, sizes, data, begin), notes)


def _stretch(path: Path, fields: dict[str, str], sizes: tuple[int, ...], data: Path, begin: int) -> Stretch:
    kind, order = _DTYPES.get(fields.get("type", "").lower(), ""), _ORDERS.get(fields.get("endian", "").lower())
    if not kind or (order is None and kind[1] != "1"):
        raise text_header.refused(path, f"holds values of the type {fields.get('type', '?')[:20]!r}, or no endian")
    dtype = np.dtype((order or "<") + kind)
    encoding, skipped = fields.get("encoding", "").lower(), fields.get("byteskip", "0")
    if encoding not in ("raw", "gzip", "gz") or fields.get("lineskip", "0") != "0":
        raise text_header.refused(path, f"has the encoding {encoding[:20]!r} or skips lines")
    if not re.fullmatch(r"-1|[0-9]{1,12}", skipped) or (skipped == "-1" and encoding != "raw"):
        raise text_header.refused(path, f"states the byte skip {skipped[:20]!r}")
    volumes = sizes[3] if len(sizes) == 4 else 1
    if encoding != "raw":
        return Stretch(data, dtype, int(skipped), sizes[:3], volumes, packed_from=begin)
    from_end = data.stat().st_size - math.prod(sizes) * dtype.itemsize
    return Stretch(data, dtype, from_end if skipped == "-1" else begin + int(skipped), sizes[:3], volumes)


def _geometry(path: Path, fields: dict[str, str], sizes: tuple[int, ...]) -> tuple[Geometry, tuple[str, ...]]:
    for unit in re.findall(r'"([^"]*)"', fields.get("spaceunits", "") + fields.get("units", ""))[:3]:
        text_header.wholly_mm(path, unit)
    space = fields.get("space", "").lower().removesuffix("-time")
    towards = _SPACES.get(space, _SPACES["lps"])
    named = space in _SPACES or len(sizes) < 3
    notes = (
        () if named else (f"no anatomical space is stated ({space[:30] or 'none'}): taken as left-posterior-superior",)
    )
    axes = len(fields["sizes"].split())
    directions = fields.get("spacedirections")
    if directions is not None:
        columns, known = _directions(path, directions, axes), True
    else:
        spacings = fields.get("spacings", "")
        steps = text_header.numbers(path, spacings, axes) if spacings else np.ones(axes)
        columns, known = np.diag(np.where(np.arange(axes) < 3, steps, 1.0)), bool(spacings)
    origin = np.zeros(axes)
    vector = _vectors(fields.get("spaceorigin", ""))
    if vector:
        stated = text_header.numbers(path, vector[0], vector[0].count(" ") + 1)
        origin[: min(axes, stated.size)] = stated[:axes]
    return text_header.grid(path, sizes, columns, origin, known, towards), notes


def _directions(path: Path, text: str, axes: int) -> np.ndarray:
    """One column an axis; an axis with no direction in space runs along one of its own."""
    vectors = _vectors(text)
    columns = np.eye(axes)
    if len(vectors) != axes:
        raise GeometryError(path, f"states the directions {text[:60]!r}", "Mend the header.", f"{axes} vectors")
    for axis, vector in enumerate(vectors):
        if vector == "none" and axis < min(axes, 3):
            raise text_header.refused(path, "holds several numbers a voxel (an axis without direction comes first)")
        if vector != "none":
            parts = text_header.numbers(path, vector, vector.count(" ") + 1)
            if parts.size not in (axes, min(axes, 3)):
                raise GeometryError(path, f"has an axis {vector!r}", "Mend the header.", f"{min(axes, 3)} numbers")
            columns[:, axis] = np.pad(parts, (0, axes - parts.size))
    return columns


def _vectors(text: str) -> list[str]:
    """`(1,0,0) none (0,0,2)` as `["1 0 0", "none", "0 0 2"]`."""
    found = re.findall(r"\(([^()]*)\)|(none)", text.lower())
    return [none or " ".join(inner.replace(",", " ").split()) for inner, none in found]
