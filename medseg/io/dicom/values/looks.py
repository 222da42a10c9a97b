"""The values of one projection image: what its stored values stand for, turned so that more is brighter."""

from typing import Any

import numpy as np

from medseg.io.dicom.headers import Slice
from medseg.io.dicom.values.lookup import lookup_table
from medseg.io.dicom.values.padding import darken_padding
from medseg.io.dicom.values.rescaling import inverted, rescaled
from medseg.io.dicom.values.samples import coloured
from medseg.io.dicom.values.voi import windowed

__all__ = ["picture_values"]


def picture_values(one: Slice, stored: np.ndarray, window: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """What the stored values of one picture stand for, more being brighter.

    MONOCHROME1 (and PresentationLUTShape INVERSE) is turned round. Without a window, that keeps the range of the
    stored bits or of the modality LUT; with one, 1 is the brightest that a reader was meant to see. Padding is never
    brighter than the darkest real pixel.

    Args:
        one: The file.
        stored: Its stored values, shape (rows, columns).
        window: Apply the VOI LUT or window of the header; the values are then float32 from 0 to 1.

    Returns:
        The values, in the stored type where nothing is rescaled, and notes.

    Raises:
        UnreadableFileError: A lookup table or the rescaling is broken.
    """
    header = one.header
    notes: tuple[str, ...] = ("colours were turned into grey",) if coloured(header) else ()
    turn, said = _dark_is_more(header)
    notes += said
    if window:
        values = rescaled(stored[np.newaxis], [one])[0]
        values, said = windowed(one.path, values, header, _possible(one, stored.dtype))
        notes += said
        values = 1 - values if turn else values
    else:
        values = _turned(one, stored) if turn else rescaled(stored[np.newaxis], [one])[0]
    values, said = darken_padding(values, stored, header)
    return values, notes + said


def _dark_is_more(header: Any) -> tuple[bool, tuple[str, ...]]:
    """Whether low values are bright. MONOCHROME1 says so by itself: with it, INVERSE says the same and not twice."""
    shape = str(header.get("PresentationLUTShape") or "")
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        contradicts = shape == "IDENTITY"
        return True, ("MONOCHROME1 with PresentationLUTShape IDENTITY: turned round",) if contradicts else ()
    if shape == "INVERSE" and not coloured(header):
        return True, ("PresentationLUTShape is INVERSE: turned round",)
    return False, ()


def _turned(one: Slice, stored: np.ndarray) -> np.ndarray:
    table = lookup_table(one.path, one.header, "ModalityLUTSequence")
    if table is None:
        return rescaled(inverted(stored, one.header)[np.newaxis], [one])[0]
    return (table.largest - table.of(stored).astype(np.int32)).astype(table.entries.dtype)


def _possible(one: Slice, dtype: np.dtype) -> tuple[float, float]:
    """The least and greatest value that the stored bits can stand for."""
    table = lookup_table(one.path, one.header, "ModalityLUTSequence")
    if table is not None:
        return 0.0, float(table.largest)
    bits = int(one.header.get("BitsStored") or 8 * dtype.itemsize)
    low = -(1 << bits - 1) if dtype.kind == "i" else 0
    ends = rescaled(np.array([[low, low + (1 << bits) - 1]], np.int64), [one])
    return float(ends.min()), float(ends.max())
