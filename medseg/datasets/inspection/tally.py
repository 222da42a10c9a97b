"""How often each value occurs in an array of whole numbers: faster than sorting them."""

import numpy as np

__all__ = ["tallied"]

_AT_A_TIME = 1 << 24


def tallied(numbers: np.ndarray, low: int) -> tuple[np.ndarray, np.ndarray]:
    """Values that occur, in order, and how often each does.

    Args:
        numbers: Whole numbers of any shape, over a range that is small enough to be counted.
        low: The least of them, or less.
    """
    flat = numbers.ravel(order="K")
    below = min(0, low)
    if flat.dtype == np.uint8:
        parts = (flat[start : start + _AT_A_TIME] for start in range(0, flat.size, _AT_A_TIME))
        counts = np.sum([_of_bytes(part) for part in parts], axis=0)
    else:
        counts = np.bincount(flat.astype(np.int64) - below if below else flat)
    found = np.flatnonzero(counts)
    return found + below, counts[found]


def _of_bytes(flat: np.ndarray) -> list[int]:
    """Pillow counts bytes as they are, three times as fast as NumPy, which makes eight bytes of each before."""
    import PIL.Image  # loaded when it is needed, as all libraries of formats

    return PIL.Image.fromarray(flat.reshape(1, -1)).histogram()
