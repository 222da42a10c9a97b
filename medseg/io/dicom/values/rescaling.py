"""Stored values to those they stand for: slope and intercept, modality lookup table, inversion."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg import room
from medseg.errors import UnreadableFileError
from medseg.io.dicom.headers import Slice, whole_header
from medseg.io.dicom.values.lookup import lookup_table

__all__ = ["inverted", "rescaled"]


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
    if len(set(pairs)) == 1 and volume.dtype.kind in "iu":
        slope, intercept = pairs[0]
        if slope.is_integer() and intercept.is_integer() and _fits(slope, intercept, volume):
            # Arithmetic modulo 2^16 is exact for results that fit, so that no larger type is needed on the way.
            whole = room.empty(volume.shape, np.int16)
            np.copyto(whole, volume, casting="unsafe")
            if slope != 1:
                whole *= np.int16(int(slope))
            whole += np.int16(int(intercept))
            return whole
    values = room.empty(volume.shape, np.float32)
    for i, (slope, intercept) in enumerate(pairs):
        values[i] = volume[i] * slope + intercept
    return values


def _fits(slope: float, intercept: float, volume: np.ndarray) -> bool:
    """Whether all values are within int16 after rescaling."""
    if max(abs(slope), abs(intercept)) > 32767:
        return False
    ends = [slope * float(volume.min()) + intercept, slope * float(volume.max()) + intercept]
    return min(ends) >= -32768 and max(ends) <= 32767


def inverted(stored: np.ndarray, header: Any) -> np.ndarray:
    """MONOCHROME1 as MONOCHROME2: the stored range turned round, so that more is brighter."""
    bits = int(header.get("BitsStored") or 8 * stored.dtype.itemsize)
    if stored.dtype.kind == "f":
        return np.asarray(-stored)
    if stored.dtype.kind == "u":
        return np.array((1 << bits) - 1 - stored.astype(np.int64)).astype(stored.dtype)
    return np.array(-1 - stored.astype(np.int64)).astype(stored.dtype)


def _looked_up(values: np.ndarray, one: Slice) -> np.ndarray:
    table = lookup_table(one.path, whole_header(one), "ModalityLUTSequence")
    if table is not None:
        return table.of(values)
    return rescaled(values[np.newaxis], [one])[0]


def _slope_intercept(one: Slice) -> tuple[float, float]:
    slope, intercept = (one.header.get(name) for name in ("RescaleSlope", "RescaleIntercept"))
    pair = float(1 if slope in (None, "") else slope), float(0 if intercept in (None, "") else intercept)
    if pair[0] == 0 or not np.isfinite(pair).all():
        found = f"RescaleSlope {slope} and RescaleIntercept {intercept}"
        raise UnreadableFileError(one.path, found, "Correct the tags.", "a slope other than 0, and finite numbers")
    return pair
