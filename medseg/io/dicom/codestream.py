"""What the first bytes of a compressed frame say of its size, before anything is unpacked."""

import struct
from dataclasses import dataclass

__all__ = ["Codestream", "codestream"]

_J2K_START = b"\xff\x4f\xff\x51"  # start of codestream, then the size marker
_JPEG_START = b"\xff\xd8"
# Start of frame of every JPEG process but its tables (C4, C8, CC), and of JPEG-LS (F7).
_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True)
class Codestream:
    """Size of one compressed picture, and bits a sample."""

    rows: int
    columns: int
    samples: int
    bits: int


def codestream(frame: bytes) -> Codestream | None:
    """The size in the head of a JPEG, JPEG-LS or JPEG 2000 frame; `None` where there is no such head."""
    try:
        at = frame[:4096].find(_J2K_START)
        if at >= 0 and not frame.startswith(_JPEG_START):
            return _jpeg_2000(frame, at + len(_J2K_START))
        return _jpeg(frame) if frame.startswith(_JPEG_START) else None
    except (struct.error, IndexError):
        return None


def _jpeg_2000(frame: bytes, at: int) -> Codestream:
    # Length and capabilities, then the far corner, the near corner, the tiles and the number of components.
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 4)
    samples, depth = struct.unpack_from(">HB", frame, at + 36)
    return Codestream(bottom - top, right - left, samples, (depth & 0x7F) + 1)


def _jpeg(frame: bytes) -> Codestream | None:
    at = len(_JPEG_START)
    while frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in _START_OF_FRAME:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
            return Codestream(rows, columns, samples, bits)
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
    return None
