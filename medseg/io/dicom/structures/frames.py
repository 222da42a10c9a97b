"""The frames of a DICOM SEG, decoded one at a time; what its header declares must fit its bytes."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.encaps import generate_frames, get_frame
from pydicom.uid import UID, ExplicitVRBigEndian

from medseg.errors import UnreadableFileError
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.decoding import DECODED, DESCRIBED_BY, decoded
from medseg.io.dicom.structures.objects import whole_number

__all__ = ["Frames"]

_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"  # Deflated Image Frame Compression, which pydicom 3.0 does not know
_SMALL = 2**28  # compressed frames may unfold to this many bytes in any case ...
_RATIO = 4096  # ... and to this many times their own size beyond


@dataclass(frozen=True)
class Frames:
    """The frames of one data set.

    Args:
        path: The file, for errors.
        dataset: All of it.
        count: Number of frames.
        rows: Of each frame.
        columns: Of each frame.
        bits: Bits a pixel: 1, 8 or 16.

    Raises:
        UnreadableFileError: The sizes are absurd or do not fit the pixel data.
    """

    path: Path
    dataset: Any
    count: int
    rows: int
    columns: int
    bits: int

    @classmethod
    def of(cls, dataset: Any, path: Path) -> "Frames":
        """From the header, checked against the bytes that are there."""
        bits = whole_number(dataset, "BitsAllocated", path)
        if bits not in (1, 8, 16):
            raise UnreadableFileError(path, f"BitsAllocated is {bits}", EXPORT_AGAIN, "1, 8 or 16")
        if int(dataset.get("SamplesPerPixel") or 1) != 1:
            raise UnreadableFileError(path, "has several samples a pixel", EXPORT_AGAIN, "one")
        count = whole_number(dataset, "NumberOfFrames", path) if dataset.get("NumberOfFrames") is not None else 1
        rows, columns = (whole_number(dataset, name, path) for name in ("Rows", "Columns"))
        frames = cls(path, dataset, count, rows, columns, bits)
        frames._check_size()
        return frames

    def decoded(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """The frames with these indices (from 0), each of shape (rows, columns)."""
        if not self._encapsulated:
            yield from (self._native(index) for index in indices)
        elif self._syntax == _DEFLATED_FRAMES:
            yield from self._inflated(indices)
        elif self.bits == 1:
            found = f"holds frames of 1 bit compressed as {self._syntax.name}, which the standard does not allow"
            raise UnreadableFileError(self.path, found, "Store it without compression, or deflated.")
        else:
            yield from self._unpacked_frames(indices)

    @property
    def _syntax(self) -> UID:
        return UID(self.dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2"))

    @property
    def _encapsulated(self) -> bool:
        return self._syntax == _DEFLATED_FRAMES or self._syntax.is_encapsulated

    @property
    def _frame_bits(self) -> int:
        return self.rows * self.columns * self.bits

    def _check_size(self) -> None:
        if "PixelData" not in self.dataset:
            raise UnreadableFileError(self.path, "has no pixel data", EXPORT_AGAIN)
        if self._syntax == ExplicitVRBigEndian:
            raise UnreadableFileError(
                self.path, "is in the retired big-endian syntax", "Convert it to Explicit VR Little Endian (dcmconv)."
            )
        declared, held = (self._frame_bits * self.count + 7) // 8, len(self.dataset.PixelData)
        size = f"{self.count} frame(s) of {self.rows}×{self.columns} pixels of {self.bits} bit(s)"
        if not self._encapsulated and not declared <= held <= declared + 1:
            raise UnreadableFileError(
                self.path, f"declares {size} and holds {held} bytes of them", EXPORT_AGAIN, f"{declared} bytes"
            )
        if declared > max(_SMALL, _RATIO * held):
            raise UnreadableFileError(self.path, f"declares {size} in {held} compressed bytes", EXPORT_AGAIN)

    def _native(self, index: int) -> np.ndarray:
        data, first = self.dataset.PixelData, index * self._frame_bits
        if self.bits > 1:
            stored = np.frombuffer(data, f"<u{self.bits // 8}", self.rows * self.columns, first // 8)
            return stored.reshape(self.rows, self.columns)
        return self._unpacked(data[first // 8 : (first + self._frame_bits + 7) // 8], first % 8)

    def _unpacked(self, data: bytes, skipped: int = 0) -> np.ndarray:
        """Pixels of 1 bit, the first in the lowest bit of its byte; a frame may begin within a byte."""
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits[skipped : skipped + self.rows * self.columns].reshape(self.rows, self.columns)

    def _inflated(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        wanted, expected = set(indices), (self._frame_bits + 7) // 8
        for index, frame in enumerate(generate_frames(self.dataset.PixelData, number_of_frames=self.count)):
            if index not in wanted:
                continue
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, expected + 1)
            if not expected <= len(data):
                found = f"frame {index + 1} unfolds to {len(data)} bytes"
                raise UnreadableFileError(self.path, found, EXPORT_AGAIN, f"{expected}")
            stored = np.frombuffer(data[:expected], f"<u{max(self.bits // 8, 1)}")
            yield self._unpacked(data) if self.bits == 1 else stored.reshape(self.rows, self.columns)

    def _unpacked_frames(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        if self._syntax not in DECODED:
            raise UnreadableFileError(
                self.path,
                f"is compressed as {self._syntax.name}, for which there is no decoder",
                "Store it without compression (dcmdjpeg, dcmconv).",
            )
        header = {name: self.dataset.get(name) for name in DESCRIBED_BY}
        for index in indices:
            frame = get_frame(self.dataset.PixelData, index, number_of_frames=self.count)
            yield decoded(self.path, header, frame, self._syntax)[0]
