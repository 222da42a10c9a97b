"""NIfTI files without the texts of their headers; voxels, grid and scaling stay byte by byte."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Final

from isal import igzip

from medseg.deidentify.refusal import RefusedError

__all__ = ["without_texts"]

# Where its texts stand (start, stop), where the offset of the voxels stands and how it is packed, the same of the eight
# numbers of its dimensions, and where the bits of a voxel stand.
_NIFTI_1: Final = (((4, 32), (148, 252), (328, 344)), (108, "f"), (40, "8h"), 72)
_NIFTI_2: Final = (((240, 344), (508, 524), (525, 540)), (168, "q"), (16, "8q"), 14)
_KNOWN: Final = {348: (_NIFTI_1, (344, b"n+1\0")), 540: (_NIFTI_2, (4, b"n+2\0"))}


def without_texts(source: Path, target: Path, *, packed: bool) -> None:
    """Write a NIfTI-1 or -2 file without description, names of files and databases, intent name and extensions.

    Args:
        source: `.nii` or `.nii.gz`.
        target: Where to write it.
        packed: Whether with gzip, whose own name and time are left out.

    Raises:
        RefusedError: It is broken, or a pair of header and image.
    """
    try:
        content = bytearray(igzip.open(source).read() if source.name.lower().endswith(".gz") else source.read_bytes())
    except (OSError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RefusedError(f"cannot be read ({type(error).__name__})") from error
    cleaned = _cleaned(content)
    target.write_bytes(igzip.compress(cleaned, 1, mtime=0) if packed else cleaned)


def _cleaned(content: bytearray) -> bytes:
    for order in "<>":
        size = struct.unpack_from(f"{order}i", content)[0] if len(content) > 348 else 0
        if size in _KNOWN:
            (texts, offset, dimensions, bits_at), (magic_at, magic) = _KNOWN[size]
            break
    else:
        raise RefusedError("is no whole NIfTI file")
    if content[magic_at : magic_at + 4] != magic:
        raise RefusedError("is half of a pair of header and image: join them first")
    for start, stop in texts:
        content[start:stop] = bytes(stop - start)
    voxels = int(struct.unpack_from(f"{order}{offset[1]}", content, offset[0])[0])
    (count, *shape), (bits,) = (
        struct.unpack_from(f"{order}{packed}", content, at) for at, packed in (dimensions, (bits_at, "h"))
    )
    end = voxels + -(-math.prod(shape[:count]) * bits // 8)
    if not 1 <= count <= 7 or not size + 4 <= voxels <= end <= len(content):
        raise RefusedError("is no whole NIfTI file")
    first = size + 4  # four bytes say that no extension follows; both sums are multiples of 16
    struct.pack_into(f"{order}{offset[1]}", content, offset[0], first)
    return bytes(content[:size]) + bytes(4) + bytes(content[voxels:end])  # what follows the voxels may say anything
