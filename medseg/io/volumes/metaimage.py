"""MetaImage, `.mha` and `.mhd`. ITK's own reader is not used: a damaged header makes it end the whole process."""

import math
import re
from pathlib import Path

import numpy as np

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.volumes import text_header
from medseg.io.volumes.stored import Stretch
from medseg.io.volumes.volume_file import VolumeFile
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_TYPES = {
    **{"CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4"},
    **{"ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8"},
}
_TRUE = ("true", "t", "1")
_LPS = (-1, -1, 1)


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """A MetaImage file as one channel in its stored type; of a fourth axis, the volume that is chosen.

    Raises:
        UnreadableFileError: The file is missing or broken, has several numbers a voxel, leads out of its folder or
            declares more than it holds.
        GeometryError: The grid is singular, or there are several volumes and none is chosen.
        InputError: There is no volume of the number that is asked for.
    """
    return _described(path).image(inside, options)


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    return _described(path).grid(inside, options)


def _described(path: Path) -> VolumeFile:
    start = text_header.start_of(path)
    last = re.search(rb"^[ \t]*ElementDataFile[ \t]*=([^\r\n]*)\r?\n?", start, re.MULTILINE)
    if last is None:
        raise text_header.refused(path, "is not MetaImage: its header names no ElementDataFile")
    fields = text_header.fields(start[: last.start()], "=")
    sizes = text_header.sizes(path, fields.get("dimsize", ""))
    geometry, notes = _geometry(path, fields, sizes)
    name = last[1].decode("latin-1").strip()
    local = name.upper() == "LOCAL"
    data = path if local else text_header.beside(path, name)
    return VolumeFile(path, geometry, _stretch(path, fields, sizes, data, last.end() if local else 0), notes)


def _stretch(path: Path, fields: dict[str, str], sizes: tuple[int, ...], data: Path, begin: int) -> Stretch:
    kind = _TYPES.get(fields.get("elementtype", "").removeprefix("MET_").removesuffix("_ARRAY"))
    if fields.get("elementnumberofchannels", "1") != "1":
        raise text_header.refused(path, f"holds {fields['elementnumberofchannels'][:9]} numbers a voxel")
    if kind is None or fields.get("binarydata", "true").lower() not in _TRUE:
        raise text_header.refused(path, f"holds values as text, or of the type {fields.get('elementtype', '?')[:20]}")
    swapped = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "false")).lower() in _TRUE
    dtype = np.dtype((">" if swapped else "<") + kind)
    volumes = sizes[3] if len(sizes) == 4 else 1
    if fields.get("compresseddata", "false").lower() in _TRUE:
        return Stretch(data, dtype, 0, sizes[:3], volumes, packed_from=begin)
    skipped = fields.get("headersize", "0")
    if not re.fullmatch(r"-1|[0-9]{1,12}", skipped):
        raise text_header.refused(path, f"states the HeaderSize {skipped[:20]!r}")
    from_end = data.stat().st_size - math.prod(sizes) * dtype.itemsize
    return Stretch(data, dtype, from_end if skipped == "-1" else begin + int(skipped), sizes[:3], volumes)


def _geometry(path: Path, fields: dict[str, str], sizes: tuple[int, ...]) -> tuple[Geometry, tuple[str, ...]]:
    stated = _first(fields, "dimsize")
    axes = len(stated.split())
    text_header.wholly_mm(path, fields.get("distanceunits", ""))
    spacing, origin = _first(fields, "elementspacing", "elementsize"), _first(fields, "offset", "position", "origin")
    directions = _first(fields, "transformmatrix", "rotation", "orientation")
    steps = text_header.numbers(path, spacing, axes) if spacing else np.ones(axes)
    first = text_header.numbers(path, origin, axes) if origin else np.zeros(axes)
    # Written axis by axis: row i of the text is the direction of axis i.
    columns = text_header.numbers(path, directions, axes**2).reshape(axes, axes).T if directions else np.eye(axes)
    notes = () if directions or axes < 3 else ("no directions are stated: x runs to the left, y to the back",)
    with np.errstate(all="ignore"):  # a grid that is not finite is refused by name
        return text_header.grid(path, sizes, columns * steps, first, bool(spacing), _LPS), notes


def _first(fields: dict[str, str], *names: str) -> str:
    return next((fields[name] for name in names if name in fields), "")
