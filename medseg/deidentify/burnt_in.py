"""Whether a picture shows text: what its header says, what kind it is, and a modest look at its pixels."""

from itertools import pairwise
from typing import Any, Final

import numpy as np

__all__ = ["burnt_in", "may_show_text", "text_rows"]

_KINDS: Final = ("US", "SC", "OT", "ES", "XC", "GM", "SM", "OP", "IVUS", "DOC")
_SECONDARY: Final = "1.2.840.10008.5.1.4.1.1.7"
_HEIGHTS: Final = (5, 60)  # pixels of a letter
_LETTERS: Final = 4  # in a row, at least


def burnt_in(header: Any) -> str:
    """What the header says: "declared", "possible" (of such kinds it often is), "no", or "" where it says nothing.

    Args:
        header: pydicom's Dataset before it was changed.
    """
    said = str(header.get("BurnedInAnnotation") or "").strip().upper()
    if said in ("YES", "NO"):
        return "declared" if said == "YES" else "no"
    if str(header.get("SOPClassUID") or "").startswith(_SECONDARY) or header.get("Modality") in _KINDS:
        return "possible"
    image_type = header.get("ImageType") or ()
    words = {str(word).upper() for word in ([image_type] if isinstance(image_type, str) else image_type)}
    return "possible" if words & {"SCREEN SAVE", "SECONDARY SCREEN", "CAPTURE", "DOSE REPORT"} else ""


def may_show_text(pixels: np.ndarray) -> bool:
    """Whether something in a picture has the form of a line of text.

    Args:
        pixels: Shape (rows, columns) or (rows, columns, samples).
    """
    grey = pixels.max(axis=-1) if pixels.ndim == 3 else pixels
    return text_rows(grey) > 0


def text_rows(grey: np.ndarray) -> int:
    """How many rows of letters a picture has: marks in its lightest or darkest value, of one height, side by side.

    Text that is drawn into a picture has one value, mostly its extreme one; anatomy does not come in rows of such
    marks. Text in a middle grey, or drawn smoothly, is not found.

    Args:
        grey: Shape (rows, columns).
    """
    return max((_rows(grey == value) for value in (grey.max(), grey.min())), default=0) if np.ptp(grey) else 0


def _rows(mask: np.ndarray) -> int:
    from scipy import ndimage

    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    letters = []
    for rows, columns in ndimage.find_objects(labels):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if _HEIGHTS[0] <= height <= _HEIGHTS[1] and width <= 1.5 * height:
            letters.append((rows.stop, columns.start, height, columns.stop))
    found = 0
    by_line: dict[int, list[tuple[int, int, int, int]]] = {}
    for letter in letters:
        by_line.setdefault(letter[0], []).append(letter)
    for line in by_line.values():  # letters of a line end on one row of pixels
        found += _longest_run(sorted(line, key=lambda letter: letter[1])) >= _LETTERS
    return found


def _longest_run(line: list[tuple[int, int, int, int]]) -> int:
    longest = run = 1 if line else 0
    for (_, _, before, end), (_, start, height, _) in pairwise(line):
        near = 0 <= start - end <= max(before, height) and max(before, height) <= 1.6 * min(before, height)
        run = run + 1 if near else 1
        longest = max(longest, run)
    return longest
