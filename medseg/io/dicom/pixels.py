"""Stored DICOM pixels to numbers: decoding, unused bits, rescale, inversion."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

from medseg.errors import MissingExtraError, UnreadableFileError
from medseg.io.dicom.headers import Slice
from medseg.io.raster import luminance

__all__ = ["inverted", "rescaled", "stored_slice", "stored_volume"]

# pydicom has no permissively licensed decoder of these; SimpleITK's GDCM has one.
_BY_GDCM = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
_ELEMENT_HEADER = {ImplicitVRLittleEndian: 8, ExplicitVRLittleEndian: 12}
_EXPORT_AGAIN = "Fetch or export it again."


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
    """Stored values of one file, shape (rows, columns), unused bits cleared; colours become luminance.

    Raises:
        UnreadableFileError: The pixels are truncated or broken.
        MissingExtraError: No decoder of this compression is installed.
    """
    header = one.header
    syntax = getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", ImplicitVRLittleEndian)
    plain = syntax in _ELEMENT_HEADER and int(header.get("SamplesPerPixel", 1)) == 1 and "BitsAllocated" in header
    if plain and int(header.BitsAllocated) in (8, 16, 32):
        pixels = _uncompressed(one, one.pixels_at + _ELEMENT_HEADER[syntax])
    elif syntax in _BY_GDCM:
        return luminance(_by_gdcm(one))
    else:
        pixels = luminance(_by_pydicom(one.path, syntax))
    return _used_bits(pixels, header)


def rescaled(volume: np.ndarray, slices: Sequence[Slice]) -> np.ndarray:
    """Stored values of shape (slices, ...) to those they stand for: slope × value + intercept of each slice.

    The stored type is kept where nothing is rescaled, int16 where all is whole and fits, else float32.
    """
    pairs = {_slope_intercept(one) for one in slices}
    if pairs == {(1.0, 0.0)}:
        return volume
    if len(pairs) == 1:
        slope, intercept = pairs.pop()
        ends = [slope * float(volume.min()) + intercept, slope * float(volume.max()) + intercept]
        if slope.is_integer() and intercept.is_integer() and min(ends) >= -32768 and max(ends) <= 32767:
            return (volume.astype(np.int32) * int(slope) + int(intercept)).astype(np.int16)
    values = np.empty(volume.shape, np.float32)
    for i, one in enumerate(slices):
        slope, intercept = _slope_intercept(one)
        values[i] = volume[i] * slope + intercept
    return values


def inverted(stored: np.ndarray, header: Any) -> np.ndarray:
    """MONOCHROME1 as MONOCHROME2: the stored range turned round, so that more is brighter."""
    bits = int(header.get("BitsStored", 8 * stored.dtype.itemsize))
    if stored.dtype.kind == "u":
        return np.array((1 << bits) - 1 - stored.astype(np.int64)).astype(stored.dtype)
    return np.array(-1 - stored.astype(np.int64)).astype(stored.dtype)


def _uncompressed(one: Slice, start: int) -> np.ndarray:
    header = one.header
    kind = "i" if int(header.get("PixelRepresentation", 0)) else "u"
    dtype = np.dtype(f"<{kind}{int(header.BitsAllocated) // 8}")
    shape = (int(header.Rows), int(header.Columns))
    wanted = shape[0] * shape[1] * dtype.itemsize
    with one.path.open("rb") as file:
        file.seek(start)
        content = file.read(wanted)
    if len(content) < wanted:
        raise UnreadableFileError(one.path, f"ends after {len(content)} of {wanted} bytes of pixels", _EXPORT_AGAIN)
    return np.frombuffer(content, dtype).reshape(shape)


def _by_pydicom(path: Path, syntax: Any) -> np.ndarray:
    try:
        return np.asarray(pydicom.pixels.pixel_array(pydicom.dcmread(path, force=True)))
    except (RuntimeError, NotImplementedError, ImportError) as error:
        text = str(error)
        if "missing dependencies" in text:
            name = getattr(syntax, "name", syntax)
            raise MissingExtraError(
                path, f"no decoder of {name} is installed", "Install it with `pip install 'medseg[dicom]'`."
            ) from error
        raise UnreadableFileError(path, f"its pixels cannot be decoded ({text})", _EXPORT_AGAIN) from error
    except (ValueError, AttributeError, EOFError, OSError, KeyError, IndexError) as error:
        raise UnreadableFileError(path, f"its pixels cannot be decoded ({error})", _EXPORT_AGAIN) from error


def _by_gdcm(one: Slice) -> np.ndarray:
    """Stored values; ITK rescales what it reads and turns MONOCHROME1 round, which is undone here."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(one.path))
    try:
        picture = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFileError(one.path, "its pixels cannot be decoded", _EXPORT_AGAIN) from error
    pixels = np.asarray(SimpleITK.GetArrayFromImage(picture)[0])
    slope, intercept = _slope_intercept(one)
    kind = "i" if int(one.header.get("PixelRepresentation", 0)) else "u"
    stored = np.rint((pixels - intercept) / (slope or 1.0)).astype(f"{kind}{int(one.header.BitsAllocated) // 8}")
    return inverted(stored, one.header) if one.header.get("PhotometricInterpretation") == "MONOCHROME1" else stored


def _used_bits(pixels: np.ndarray, header: Any) -> np.ndarray:
    """Values without what some scanners leave in the bits above those stored."""
    spare = 8 * pixels.dtype.itemsize - int(header.get("BitsStored", 8 * pixels.dtype.itemsize))
    if pixels.dtype.kind not in "iu" or spare <= 0:
        return pixels
    # Up and down again: the shift down repeats the sign of signed types and fills with 0 otherwise.
    return (pixels << spare) >> spare


def _slope_intercept(one: Slice) -> tuple[float, float]:
    slope = one.header.get("RescaleSlope")
    intercept = one.header.get("RescaleIntercept")
    return float(1 if slope in (None, "") else slope), float(0 if intercept in (None, "") else intercept)
