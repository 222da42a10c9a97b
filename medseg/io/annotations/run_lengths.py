"""Run lengths of COCO: how many pixels are not in the mask, then how many are, and so on, column after column."""

from typing import Any

import numpy as np

from medseg.errors import InputError

__all__ = ["counts_of", "marked"]

_MEND = "Mend or remove the annotation."
_FIRST = 48  # "0": each character holds six bits above it
_BITS, _MORE, _NEGATIVE = 5, 32, 16
_LONGEST = 40  # bits of a run length that are believed


def counts_of(text: str, where: str) -> list[int]:
    """The run lengths of a compressed string.

    Each is written in groups of five bits, lowest first; a sixth bit says that more follow, and the highest bit of the
    last is the sign. From the fourth on, each stands as the difference from the one two before it.

    Raises:
        InputError: The string is cut off, or no such string.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - _FIRST
        if not 0 <= group < 2 * _MORE or shift > _LONGEST:
            raise InputError(where, f"its run lengths hold {character!r} where they cannot", _MEND)
        value |= (group & (_MORE - 1)) << shift
        shift += _BITS
        if group & _MORE:
            continue
        if group & _NEGATIVE:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise InputError(where, "its run lengths are cut off", _MEND)
    return counts


def marked(counts: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    """The pixels that run lengths mark, boolean, shape (x, y).

    Args:
        counts: A list of whole numbers, or a compressed string.
        shape: Pixels along x and y.
        where: What to name in an error.

    Raises:
        InputError: They are no run lengths, or do not make up the image.
    """
    runs = counts_of(counts, where) if isinstance(counts, str) else counts
    whole = isinstance(runs, list) and all(isinstance(n, int) and 0 <= n <= shape[0] * shape[1] for n in runs)
    if not whole or sum(runs) != shape[0] * shape[1]:
        found = f"its run lengths do not make up {shape[0]} × {shape[1]} pixels"
        raise InputError(where, found, _MEND, "whole numbers whose sum is the number of pixels")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, np.array(runs, np.int64)).reshape(shape)
