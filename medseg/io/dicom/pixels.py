"""Stored DICOM pixels to numbers: decoding, unused bits, rescale, inversion."""

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medseg.errors import UnreadableFileError
from medseg.io.dicom.decoding import DECODED, decoded
from medseg.io.dicom.deflated import check_inflated
from medseg.io.dicom.headers import Slice
from medseg.io.dicom.lookup import lookup_table
from medseg.io.dicom.samples import coloured, grey, used_bits

__all__ = ["inverted", "rescaled", "stored_frames", "stored_slice", "stored_volume"]

_PIXELS, _FLOATS, _DOUBLES = (0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009)
_ITEM, _UNDEFINED = (0xFFFE, 0xE000), 0xFFFFFFFF
_EXPORT_AGAIN = "Fetch or export it again."


@dataclass(frozen=True)
class _Element:
    """The element that holds the pixels: its tag, where its bytes begin, how many there are."""

    tag: tuple[int, int]
    start: int
    length: int


def stored_volume(slices: Sequence[Slice]) -> np.ndarray:
    """Stored values of sorted slices, shape (slices, rows, columns)."""
    first = stored_slice(slices[0])
    volume = np.empty((len(slices), *first.shape), first.dtype)
    volume[0] = first
    for i, one in enumerate(slices[1:], start=1):
        pixels = stored_slice(one)
        if pixels.dtype != volume.dtype:
            volume = volume.astype(np.promote_types(volume.dtype, pixels.dtype))
        volume[i] = pixels
    return volume


def stored_slice(one: Slice) -> np.ndarray:
    """Stored values of the first or only frame of a file, shape (rows, columns); see `stored_frames`."""
    return stored_frames(one, (0,))[0]


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
    meta = getattr(one.header, "file_meta", None) or {}
    syntax = UID(meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian)
    with one.path.open("rb") as file:
        if syntax in DECODED:
            return _compressed(one, file, frames, syntax)
        if syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
            element = _element(one, file)
            dtype = _dtype(one.header, element)
            if dtype is not None:
                return _uncompressed(one, file, frames, element, dtype)
    return np.stack([grey(one.path, one.header, _by_pydicom(one, syntax, frame)) for frame in frames])


def rescaled(volume: np.ndarray, slices: Sequence[Slice]) -> np.ndarray:
    """Stored values of shape (slices, ...) to those they stand for: slope × value + intercept of each slice.

    A modality lookup table stands in for slope and intercept where there is one. The stored type is kept where nothing
    is rescaled, int16 where all is whole and fits, else float32.

    Raises:
        UnreadableFileError: A slope is 0 or no number, or a table is broken.
    """
    if any("ModalityLUTSequence" in one.header for one in slices):
        return np.stack([_looked_up(values, one) for values, one in zip(volume, slices, strict=True)])
    pairs = [_slope_intercept(one) for one in slices]
    if set(pairs) == {(1.0, 0.0)}:
        return volume
    if len(set(pairs)) == 1:
        slope, intercept = pairs[0]
        ends = [slope * float(volume.min()) + intercept, slope * float(volume.max()) + intercept]
        if slope.is_integer() and intercept.is_integer() and min(ends) >= -32768 and max(ends) <= 32767:
            return (volume.astype(np.int32) * int(slope) + int(intercept)).astype(np.int16)
    values = np.empty(volume.shape, np.float32)
    for i, (slope, intercept) in enumerate(pairs):
        values[i] = volume[i] * slope + intercept
    return values


def inverted(stored: np.ndarray, header: Any) -> np.ndarray:
    """MONOCHROME1 as MONOCHROME2: the stored range turned round, so that more is brighter."""
    bits = int(header.get("BitsStored") or 8 * stored.dtype.itemsize)
    if stored.dtype.kind == "f":
        return np.asarray(-stored)
    if stored.dtype.kind == "u":
        return np.array((1 << bits) - 1 - stored.astype(np.int64)).astype(stored.dtype)
    return np.array(-1 - stored.astype(np.int64)).astype(stored.dtype)


def _looked_up(values: np.ndarray, one: Slice) -> np.ndarray:
    table = lookup_table(one.path, one.header, "ModalityLUTSequence")
    if table is not None:
        return table.of(values)
    return rescaled(values[np.newaxis], [one])[0]


def _element(one: Slice, file: BinaryIO) -> _Element:
    """The element at the end of the header. Its own bytes say how it is written, whatever the transfer syntax says."""
    file.seek(one.pixels_at)
    head = file.read(12)
    if len(head) < 12:
        raise UnreadableFileError(one.path, "ends before its pixels", _EXPORT_AGAIN)
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
    return np.dtype(f"<{kind}{int(header.BitsAllocated) // 8}")


def _uncompressed(one: Slice, file: BinaryIO, frames: Sequence[int], element: _Element, dtype: np.dtype) -> np.ndarray:
    shape = (int(one.header.Rows), int(one.header.Columns))
    size = shape[0] * shape[1] * dtype.itemsize
    there = min(element.length, one.path.stat().st_size - element.start)
    wanted = size * (max(frames) + 1)
    if there < wanted:
        raise UnreadableFileError(one.path, f"ends after {there} of {wanted} bytes of pixels", _EXPORT_AGAIN)
    pixels = np.empty((len(frames), *shape), dtype)
    for i, frame in enumerate(frames):
        file.seek(element.start + frame * size)
        file.readinto(pixels[i].data.cast("B"))  # type: ignore[attr-defined]
    used = used_bits(pixels, one.header)
    return used if not coloured(one.header) else np.stack([grey(one.path, one.header, frame) for frame in used])


def _compressed(one: Slice, file: BinaryIO, frames: Sequence[int], syntax: UID) -> np.ndarray:
    element = _element(one, file)
    if element.tag != _PIXELS or element.length != _UNDEFINED:
        raise UnreadableFileError(one.path, f"its pixels are not {syntax.name}", _EXPORT_AGAIN)
    pictures = []
    # A mapped file cannot be read beyond its end, whatever lengths its items claim.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check_items(one, content, element.start)
        for frame in frames:
            pixels, whole_cells = decoded(one.path, one.header, _packed(one, content, element.start, frame), syntax)
            pictures.append(grey(one.path, one.header, used_bits(pixels, one.header, whole_cells)))
    return np.stack(pictures)


def _check_items(one: Slice, content: mmap.mmap, at: int) -> None:
    """Refuse compressed pixels whose last item was cut off: some decoders would fill up what is missing."""
    while at + 8 <= len(content):
        group, element, length = struct.unpack_from("<HHI", content, at)
        if (group, element) != _ITEM:
            return
        at += 8 + length
    if at > len(content):
        found = f"ends {at - len(content)} bytes before its compressed pixels do"
        raise UnreadableFileError(one.path, found, _EXPORT_AGAIN)


def _packed(one: Slice, content: Any, start: int, frame: int) -> bytes:
    """The bytes of one compressed frame."""
    count = int(one.header.get("NumberOfFrames") or 1)
    tables = (one.header.get("ExtendedOffsetTable"), one.header.get("ExtendedOffsetTableLengths"))
    content.seek(start)
    try:
        return get_frame(content, frame, number_of_frames=count, extended_offsets=tables if all(tables) else None)
    except (ValueError, EOFError, struct.error, LookupError) as error:
        found = f"frame {frame} of its pixels cannot be found ({error})"
        raise UnreadableFileError(one.path, found, _EXPORT_AGAIN) from error


def _by_pydicom(one: Slice, syntax: UID, frame: int) -> np.ndarray:
    """What is rare: other byte orders, bits, colours, deflated files."""
    if syntax == DeflatedExplicitVRLittleEndian:
        check_inflated(one.path)
    try:
        # Read whole only where there is no other way: in a deflated file, nothing can be found.
        source = pydicom.dcmread(one.path) if syntax == DeflatedExplicitVRLittleEndian else one.path
        pixels = np.asarray(pydicom.pixels.pixel_array(source, index=frame, correct_unused_bits=False))
    except (RuntimeError, NotImplementedError, ValueError, AttributeError, EOFError, OSError, LookupError) as error:
        found = f"its pixels ({syntax.name}) cannot be decoded ({error})"
        raise UnreadableFileError(one.path, found, _EXPORT_AGAIN) from error
    return used_bits(pixels, one.header)


def _slope_intercept(one: Slice) -> tuple[float, float]:
    slope, intercept = (one.header.get(name) for name in ("RescaleSlope", "RescaleIntercept"))
    pair = float(1 if slope in (None, "") else slope), float(0 if intercept in (None, "") else intercept)
    if pair[0] == 0 or not np.isfinite(pair).all():
        found = f"RescaleSlope {slope} and RescaleIntercept {intercept}"
        raise UnreadableFileError(one.path, found, "Correct the tags.", "a slope other than 0, and finite numbers")
    return pair
