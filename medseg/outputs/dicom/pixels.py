"""The frames of a DICOM SEG: packed one by one, and written one after the other without a copy of them all."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medseg.outputs.dicom.segments import Plane

__all__ = ["Frames", "packed"]


@dataclass(frozen=True)
class Frames:
    """Frames in the order of their segments, and of their slices within one.

    Args:
        places: Of each frame the slice of the grid and the number of its segment.
        stored: Of each frame its pixels; those of one bit in whole bytes, the first pixel in the lowest bit.
        rows: Of each frame.
        columns: Of each frame.
        bits: Of a pixel: 1, 8 or 16.
    """

    places: tuple[tuple[int, int], ...]
    stored: tuple[bytes, ...]
    rows: int
    columns: int
    bits: int

    @property
    def size(self) -> int:
        """Bytes of all of them, as they are written."""
        exact = (len(self.stored) * self.rows * self.columns * self.bits + 7) // 8
        return exact + exact % 2

    def content(self) -> Iterator[bytes]:
        """The pixel data, piece by piece. Frames of one bit follow one another within a byte (PS3.5 section 8.1.1)."""
        written = 0
        for piece in self.stored if self.rows * self.columns % 8 == 0 or self.bits > 1 else self._joined():
            written += len(piece)
            yield piece
        yield bytes(self.size - written)

    def _joined(self) -> Iterator[bytes]:
        """Eight frames at a time, which end with a byte whatever their size."""
        pixels = self.rows * self.columns
        for first in range(0, len(self.stored), 8):
            several = np.frombuffer(b"".join(self.stored[first : first + 8]), np.uint8).reshape(-1, (pixels + 7) // 8)
            bits = np.unpackbits(several, axis=1, count=pixels, bitorder="little")
            yield np.packbits(bits.ravel(), bitorder="little").tobytes()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of places and pixels."""
        found = hashlib.sha256(repr((self.places, self.rows, self.columns, self.bits)).encode())
        for piece in self.stored:
            found.update(piece)
        return found.hexdigest()


def packed(planes: Iterable[Plane], rows: int, columns: int, bits: int, first_number: int = 1) -> Frames:
    """Frames of planes; where there is none, one empty frame, since no object may be without.

    Args:
        planes: In any order.
        rows: Of each.
        columns: Of each.
        bits: Of a pixel: planes are boolean for 1, else whole numbers of so many.
        first_number: The segment that an empty frame names.
    """
    found = sorted(((number, k, _stored(plane, bits)) for k, number, plane in planes), key=lambda one: one[:2])
    if not found:
        found = [(first_number, 0, bytes((rows * columns * bits + 7) // 8))]
    return Frames(
        tuple((k, number) for number, k, _pixels in found), tuple(pixels for *_, pixels in found), rows, columns, bits
    )


def _stored(plane: np.ndarray, bits: int) -> bytes:
    return np.packbits(plane.ravel(), bitorder="little").tobytes() if bits == 1 else plane.tobytes()
