"""Padding around DICOM images, which must never look brighter than the darkest real pixel."""

from typing import Any

import numpy as np

__all__ = ["darken_padding"]

_KEYWORDS = {
    "i": ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    "u": ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    "f4": ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    "f8": ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
}


def darken_padding(values: np.ndarray, stored: np.ndarray, header: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values in which no padding voxel is brighter than the darkest real one, and a note where there is padding.

    PixelPaddingValue says which stored values lie outside the picture (PS3.3 C.7.5.1.1.2). Padding that is darker
    than all real values already is left exactly; brighter padding, as in a mammogram that was MONOCHROME1, is lowered
    to the darkest real value. Lossy compression blurs padding into values that look real and darker: there, only
    padding that is brighter than half of the picture is lowered, to that half.

    Args:
        values: What the stored values became, any shape.
        stored: The stored values they came from, of the same shape.
        header: Its values by DICOM keyword.

    Returns:
        The values (the same array where nothing had to change), and notes.
    """
    padding = _padding(stored, header)
    if padding is None:
        return values, ()
    count = int(padding.sum())
    if count in (0, padding.size):
        return values, ()
    lowest = _lowest(values, padding, header)
    name = f"{count} voxels are padding ({_keywords(stored)[0]} {header.get(_keywords(stored)[0])})"
    if not (values[padding] > lowest).any():
        return values, (f"{name}: left as they are, not brighter than the darkest real value {lowest:g}",)
    darkened = values.copy()
    darkened[padding] = np.minimum(darkened[padding], lowest)
    return darkened, (f"{name}: lowered to the darkest real value, {lowest:g}",)


def _lowest(values: np.ndarray, padding: np.ndarray, header: Any) -> float:
    if header.get("LossyImageCompression") == "01":
        return float(np.nanmedian(values[~padding]))
    # Without a copy of the real values, which on a large volume would be a second one; fmin passes NaN over.
    return float(np.fmin.reduce(values, axis=None, initial=np.fmax.reduce(values, axis=None), where=~padding))


def _keywords(stored: np.ndarray) -> tuple[str, str]:
    return _KEYWORDS[stored.dtype.kind if stored.dtype.kind in "iu" else f"f{stored.dtype.itemsize}"]


def _padding(stored: np.ndarray, header: Any) -> np.ndarray | None:
    """Where the stored values are padding, `None` where the header knows of none."""
    value, limit = (header.get(keyword) for keyword in _keywords(stored))
    if value in (None, ""):
        return None
    first = _as_stored(value, stored.dtype)
    last = first if limit in (None, "") else _as_stored(limit, stored.dtype)
    if first == last:
        return stored == first
    return (stored >= min(first, last)) & (stored <= max(first, last))


def _as_stored(value: Any, dtype: np.dtype) -> float:
    """The number that the pixels have; its tag may have been written with the other sign."""
    number = float(value)
    if dtype.kind == "i" and number >= 2 ** (8 * dtype.itemsize - 1):
        number -= 2 ** (8 * dtype.itemsize)
    if dtype.kind == "u" and number < 0:
        number += 2 ** (8 * dtype.itemsize)
    return number
