"""Where probabilities of a segmentation go: to memory, or to a file that is there when all of it went well."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from medseg import room
from medseg.atomic import atomic_path

__all__ = ["kept_shares", "opened_shares"]


@contextmanager
def opened_shares(
    shape: tuple[int, ...], probabilities: bool | Path, *, needed: bool = False
) -> Iterator[np.ndarray | None]:
    """An array to be filled, float16, of which all must be written; None where nobody wants one.

    Args:
        shape: (labels, x, y[, z]).
        probabilities: Whether they are kept, or the .npy file in which.
        needed: Whether they are looked at on the way, kept or not.

    Raises:
        OutputError: The file cannot be written.
    """
    if not isinstance(probabilities, Path):
        yield room.empty(shape, np.float16) if probabilities or needed else None
        return
    with atomic_path(probabilities) as file:
        shares = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
        yield shares
        shares.flush()


def kept_shares(shares: np.ndarray | None, probabilities: bool | Path) -> np.ndarray | None:
    """What a segmentation holds of them after the block: the array, the mapped file, or nothing."""
    if isinstance(probabilities, Path):
        return np.load(probabilities, mmap_mode="r")
    return shares if probabilities else None
