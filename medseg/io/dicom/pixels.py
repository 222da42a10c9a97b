"""Stored values of DICOM pixels: found in the file, decoded, unused bits cleared."""

import mmap
import struct
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import SEEK_END, BytesIO
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medseg import room
from medseg.errors import UnreadableFileError
from medseg.io.dicom.content import EXPORT_AGAIN, opened, packed
from medseg.io.dicom.decoding import DECODED, decoded
from medseg.io.dicom.headers import Slice
from medseg.io.dicom.values.samples import coloured, grey, used_bits

__all__ = ["stored_frames", "stored_volume"]

_PIXELS, _FLOATS, _DOUBLES = (0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009)
_ITEM, _UNDEFINED = (0xFFFE, 0xE000), 0xFFFFFFFF
_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
_SLACK = 2**20  # what may follow the pixels, or be between them


@dataclass(frozen=True)
class _Element:
    """The element that holds the pixels: its tag, where its bytes begin, how many there are."""

    tag: tuple[int, int]
    start: int
    length: int


def stored_volume(slices: Sequence[Slice]) -> np.ndarray:
    """Stored values of sorted slices, shape (slices, rows, columns); see `stored_frames`."""
    volume: np.ndarray | None = None
    done = 0
    for _path, run in groupby(slices, key=lambda one: one.path):
        pixels = _of_one_file(list(run))
        if volume is None:
            volume = room.empty((len(slices), *pixels.shape[1:]), pixels.dtype)
        elif pixels.dtype != volume.dtype:
            volume = volume.astype(np.promote_types(volume.dtype, pixels.dtype))
        volume[done : done + len(pixels)] = pixels
        done += len(pixels)
    assert volume is not None, "a volume has slices"
    return volume


def _of_one_file(slices: Sequence[Slice]) -> np.ndarray:
    """Frames of a file, or tiles of its one picture."""
    first = slices[0]
    side = first.header.get("Tiles")
    if side is None:
        return stored_frames(first, [one.frame or 0 for one in slices])
    rows, columns = first.header["Rows"], first.header["Columns"]
    whole = replace(first, header={**first.header, "Rows": rows * side, "Columns": columns * side})
    picture = stored_frames(whole, (0,))[0]
    tiles = picture.reshape(side, rows, side, columns).swapaxes(1, 2).reshape(-1, rows, columns)
    return tiles[[one.frame or 0 for one in slices]]


def stored_frames(one: Slice, frames: Sequence[int]) -> np.ndarray:
    """Stored values of some frames of one file, shape (frames, rows, columns).

    Unused bits are cleared (the sign is kept), whatever HighBit is; colours and palettes become luminance.

    Args:
        one: The file.
        frames: Which of its frames, from 0, in the order wanted.

    Raises:
        UnreadableFileError: The pixels are missing, truncated, broken or in a compression that nobody here decodes.
        MissingExtraError: The decoder of this compression is not installed.
    """
    if one.pixels_at is None:
        raise UnreadableFileError(one.path, "ends before its pixels", EXPORT_AGAIN)
    syntax = UID(one.header["TransferSyntaxUID"])
    with opened(one.path, one.pixels_at + _declared(one) + _SLACK, one.deflated_at) as file:
        if syntax in DECODED:
            return _compressed(one, file, frames, syntax)
        if syntax in _PLAIN:
            element = _element(one, file)
            dtype = _dtype(one.header, element)
            if dtype is not None:
                return _uncompressed(one, file, frames, element, dtype)
    return np.stack([grey(one.path, one.header, _by_pydicom(one, syntax, frame)) for frame in frames])


def _declared(one: Slice) -> int:
    """Bytes of all its frames, uncompressed."""
    header = one.header
    bits = int(header.get("BitsAllocated") or 8) * int(header.get("SamplesPerPixel") or 1)
    return int(header["Rows"]) * int(header["Columns"]) * one.frames * bits // 8


def _element(one: Slice, file: BinaryIO) -> _Element:
    """The element at the end of the header. Its own bytes say how it is written, whatever the transfer syntax says."""
    assert one.pixels_at is not None, "stored_frames looks first"
    file.seek(one.pixels_at)
    head = file.read(12)
    if len(head) < 12:
        raise UnreadableFileError(one.path, "ends before its pixels", EXPORT_AGAIN)
    group, element = struct.unpack_from("<HH", head)
    # As a length, each of these would be odd, which no length is.
    explicit = head[4:8] in (b"OB\0\0", b"OW\0\0", b"OF\0\0", b"OD\0\0", b"UN\0\0")
    size = 12 if explicit else 8
    return _Element((group, element), one.pixels_at + size, struct.unpack_from("<I", head, size - 4)[0])


def _dtype(header: Any, element: _Element) -> np.dtype | None:
    """The type of one stored value, `None` where the pixels are not plainly one value after the other."""
    if int(header.get("SamplesPerPixel") or 1) != 1:
        return None
    if element.tag in (_FLOATS, _DOUBLES):
        return np.dtype("<f4" if element.tag == _FLOATS else "<f8")
    if element.tag != _PIXELS or element.length == _UNDEFINED or header.get("BitsAllocated") not in (8, 16, 32):
        return None
    kind = "i" if header.get("PixelRepresentation") else "u"
    return np.dtype(f"<{kind}{int(header['BitsAllocated']) // 8}")


def _uncompressed(one: Slice, file: BinaryIO, frames: Sequence[int], element: _Element, dtype: np.dtype) -> np.ndarray:
    shape = (int(one.header["Rows"]), int(one.header["Columns"]))
    size = shape[0] * shape[1] * dtype.itemsize
    there = min(element.length, file.seek(0, SEEK_END) - element.start)
    wanted = size * (max(frames) + 1)
    if there < wanted:
        raise UnreadableFileError(one.path, f"ends after {there} of {wanted} bytes of pixels", EXPORT_AGAIN)
    pixels = np.empty((len(frames), *shape), dtype)
    for i, frame in enumerate(frames):
        file.seek(element.start + frame * size)
        file.readinto(pixels[i].data.cast("B"))  # type: ignore[attr-defined]
    used = used_bits(pixels, one.header)
    return used if not coloured(one.header) else np.stack([grey(one.path, one.header, frame) for frame in used])


def _compressed(one: Slice, file: BinaryIO, frames: Sequence[int], syntax: UID) -> np.ndarray:
    element = _element(one, file)
    if element.tag != _PIXELS or element.length != _UNDEFINED:
        raise UnreadableFileError(one.path, f"its pixels are not {syntax.name}", EXPORT_AGAIN)
    pictures = []
    # A mapped file cannot be read beyond its end, whatever lengths its items claim.
    with _mapped(file) as content:
        _check_items(one, content, element.start)
        for frame in frames:
            pixels, whole_cells = decoded(one.path, one.header, _packed(one, content, element.start, frame), syntax)
            pictures.append(grey(one.path, one.header, used_bits(pixels, one.header, whole_cells)))
    return np.stack(pictures)


def _mapped(file: BinaryIO) -> Any:
    return nullcontext(file) if isinstance(file, BytesIO) else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _check_items(one: Slice, content: Any, at: int) -> None:
    """Refuse compressed pixels whose last item was cut off: some decoders would fill up what is missing."""
    content.seek(0, SEEK_END)
    size = content.tell()
    while at + 8 <= size:
        content.seek(at)
        group, element, length = struct.unpack("<HHI", content.read(8))
        if (group, element) != _ITEM:
            return
        at += 8 + length
    if at > size:
        found = f"ends {at - size} bytes before its compressed pixels do"
        raise UnreadableFileError(one.path, found, EXPORT_AGAIN)


def _packed(one: Slice, content: Any, start: int, frame: int) -> bytes:
    """The bytes of one compressed frame."""
    count = one.frames
    tables: Any = (one.header.get("ExtendedOffsetTable"), one.header.get("ExtendedOffsetTableLengths"))
    content.seek(start)
    try:
        return get_frame(content, frame, number_of_frames=count, extended_offsets=tables if all(tables) else None)
    except (ValueError, EOFError, struct.error, LookupError) as error:
        found = f"frame {frame} of its pixels cannot be found ({error})"
        raise UnreadableFileError(one.path, found, EXPORT_AGAIN) from error


def _by_pydicom(one: Slice, syntax: UID, frame: int) -> np.ndarray:
    """What is rare: other byte orders, bits, colours."""
    source = one.path if not packed(one.path) else opened(one.path, (one.pixels_at or 0) + _declared(one) + _SLACK)
    if one.deflated_at:
        raise UnreadableFileError(one.path, "is deflated and has pixels of a rare kind", "Save it uncompressed.")
    try:
        pixels = np.asarray(pydicom.pixels.pixel_array(source, index=frame, correct_unused_bits=False))
    except (RuntimeError, NotImplementedError, ValueError, AttributeError, EOFError, OSError, LookupError) as error:
        found = f"its pixels ({syntax.name}) cannot be decoded ({error})"
        raise UnreadableFileError(one.path, found, EXPORT_AGAIN) from error
    return used_bits(pixels, one.header)
