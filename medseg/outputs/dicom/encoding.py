"""The many small items of a multi-frame object as bytes: pydicom takes a hundred times longer for each.

Explicit VR Little Endian, all lengths stated (PS3.5 section 7.1).
"""

import struct
from collections.abc import Iterable

__all__ = ["element", "head", "item_sequence", "text", "unsigned"]

_LONG = ("OB", "OW", "SQ", "UT", "UN")


def element(tag: int, vr: str, value: bytes) -> bytes:
    """A data element; a value of odd length gets the byte that its kind is padded with."""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    return head(tag, vr, len(value)) + value


def head(tag: int, vr: str, length: int) -> bytes:
    """What stands before a value of that length."""
    group, number = divmod(tag, 0x10000)
    start = struct.pack("<HH2s", group, number, vr.encode())
    return start + struct.pack("<HI" if vr in _LONG else "<H", *((0, length) if vr in _LONG else (length,)))


def text(tag: int, vr: str, *values: str) -> bytes:
    """An element of one or several texts in ASCII."""
    return element(tag, vr, "\\".join(values).encode("ascii"))


def unsigned(tag: int, vr: str, *values: int) -> bytes:
    """An element of numbers: US, or UL."""
    return element(tag, vr, struct.pack(f"<{len(values)}{'H' if vr == 'US' else 'I'}", *values))


def item_sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """A sequence of items, each the elements that it holds in the order of their tags."""
    return element(tag, "SQ", b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(one)) + one for one in items))
