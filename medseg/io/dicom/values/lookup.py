"""Lookup tables of DICOM headers (modality LUT, VOI LUT; PS3.3 C.11.1 and C.11.2)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medseg.errors import UnreadableFileError
from medseg.io.dicom.content import EXPORT_AGAIN

__all__ = ["LookupTable", "lookup_table"]


@dataclass(frozen=True)
class LookupTable:
    """One output for each input from `first` on; inputs outside take the nearest.

    Args:
        first: The input of the first entry.
        entries: The outputs, uint8 or uint16.
        bits: How many bits the outputs use.
    """

    first: int
    entries: np.ndarray
    bits: int

    @property
    def largest(self) -> int:
        """The largest output that its bits can hold."""
        return (1 << self.bits) - 1

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape through the table; fractions are rounded."""
        whole = values if values.dtype.kind in "iu" else np.rint(np.nan_to_num(values))
        at = np.clip(whole.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries[at])


def lookup_table(where: Path, header: Any, keyword: str) -> LookupTable | None:
    """The first table of a sequence ("ModalityLUTSequence", "VOILUTSequence"), `None` where there is none.

    Raises:
        UnreadableFileError: Its data do not fit its descriptor.
    """
    item = next(iter(header.get(keyword) or ()), None)
    if item is None:
        return None
    descriptor = item.get("LUTDescriptor")
    if descriptor is None or len(descriptor) != 3:
        raise _broken(where, keyword, f"its LUTDescriptor is {descriptor}", "three numbers")
    # The descriptor is written as unsigned or signed by the pixels' sign; who copies it may forget to.
    count, first, bits = (int(number) for number in descriptor)
    count = count % 2**16 or 2**16
    if first >= 2**15 and header.get("PixelRepresentation"):
        first -= 2**16
    entries = _entries(item.get("LUTData"), count, getattr(header, "original_encoding", (None, True))[1])
    if entries is None or not 1 <= bits <= 16:
        raise _broken(where, keyword, f"its LUTData do not hold {count} entries of {bits} bits", "the descriptor's")
    return LookupTable(first, entries, bits)


def _entries(data: Any, count: int, little_endian: bool | None) -> np.ndarray | None:
    if isinstance(data, bytes):
        if len(data) in (count, count + 1) and count > 1:
            return np.frombuffer(data, np.uint8)[:count]
        entries = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian in (True, None) else ">u2")
    else:
        numbers = np.atleast_1d(np.asarray([] if data is None else data, np.int64))
        entries = (numbers & 0xFFFF).astype(np.uint16)
    return entries if len(entries) == count else None


def _broken(where: Path, keyword: str, found: str, expected: str) -> UnreadableFileError:
    return UnreadableFileError(where, f"{keyword}: {found}", EXPORT_AGAIN, expected)
