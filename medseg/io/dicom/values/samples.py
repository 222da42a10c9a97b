"""Decoded DICOM samples: unused bits cleared, colours and palettes turned into grey."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.pixels import apply_color_lut

from medseg.errors import UnreadableFileError
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.headers import dataset
from medseg.io.pictures.raster import luminance

__all__ = ["coloured", "grey", "used_bits"]


def coloured(header: Any) -> bool:
    """Whether the pixels stand for colours, by themselves or through a palette."""
    return int(header.get("SamplesPerPixel") or 1) > 1 or _has_palette(header)


def grey(where: Path, header: Any, pixels: np.ndarray) -> np.ndarray:
    """Luminance of one picture, shape (rows, columns), its palette applied if it has one.

    Raises:
        UnreadableFileError: The palette is missing or broken.
    """
    if _has_palette(header):
        try:
            pixels = apply_color_lut(pixels, dataset(where))
        except (ValueError, AttributeError, NotImplementedError, LookupError, TypeError) as error:
            found = f"its palette cannot be used ({error})"
            raise UnreadableFileError(where, found, EXPORT_AGAIN) from error
        if pixels.dtype == np.uint16 and not (pixels & 0xFF).any():
            pixels = (pixels >> 8).astype(np.uint8)  # colours of 8 bits, written as 16
    return luminance(pixels)


def used_bits(pixels: np.ndarray, header: Any, whole_cells: bool = True) -> np.ndarray:
    """Values without what scanners leave in the bits above and below those stored (overlays, garbage); in place.

    Args:
        pixels: Any shape.
        header: Its values by DICOM keyword.
        whole_cells: Whether these are cells as HighBit describes them; otherwise the lowest bit is the first stored.
    """
    allocated = 8 * pixels.dtype.itemsize
    stored = int(header.get("BitsStored") or allocated)
    high = int(header.get("HighBit") or stored - 1) if whole_cells else stored - 1
    if pixels.dtype.kind not in "iu" or stored >= allocated or not stored - 1 <= high < allocated:
        return pixels
    # Up and down again: the shift down repeats the sign of signed types and fills with 0 otherwise.
    pixels <<= allocated - 1 - high
    pixels >>= allocated - stored
    return pixels


def _has_palette(header: Any) -> bool:
    return str(header.get("PhotometricInterpretation") or "") == "PALETTE COLOR"
