"""PGM, PPM and PBM pictures, plain and raw, with the samples exactly as they are stored.

Pillow stretches samples to the full 8 or 16 bits where the header declares a smaller maximum.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import UnreadableFileError

__all__ = ["Header", "is_pnm", "read", "read_header"]

_HEAD_BYTES = 65536  # comments are seldom longer
_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_SIZE = re.compile(rb"P([1-6])" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})")
_MAXIMUM = re.compile(_SPACE + rb"(\d{1,9})")
_NEXT = re.compile(rb"\s*P[1-6]\s")


@dataclass(frozen=True)
class Header:
    """What a header declares.

    Args:
        columns: Pixels along x.
        rows: Pixels along y.
        channels: 1, or 3 of colours.
        maximum: The largest sample that may occur; 1 of a bitmap.
        plain: Samples are written as words.
        bitmap: Samples are bits of which 1 is black.
        start: Where the samples begin, in bytes.
    """

    columns: int
    rows: int
    channels: int
    maximum: int
    plain: bool
    bitmap: bool
    start: int

    @property
    def stored_bytes(self) -> int:
        """The fewest bytes in which the samples can be written."""
        samples = self.rows * self.columns * self.channels
        if self.bitmap:
            return samples if self.plain else self.rows * -(-self.columns // 8)
        return 2 * samples - 1 if self.plain else samples * (1 if self.maximum < 256 else 2)


def is_pnm(path: Path) -> bool:
    """Whether a file begins as one of the family does.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        return re.match(rb"P[1-6][\s#]", file.read(3)) is not None


def read_header(path: Path) -> Header:
    """What the header declares, which fits the file.

    Raises:
        OSError: The file cannot be opened.
        UnreadableFileError: The header is broken or declares more than the file holds.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    header = _parsed(head)
    if header is None:
        raise UnreadableFileError(
            path, "has a broken PNM header", "Export it again.", "a size ≥ 1 and a maximum of 1 to 65535"
        )
    held = path.stat().st_size - header.start
    if held < header.stored_bytes:
        raise UnreadableFileError(
            path,
            f"declares {header.columns}×{header.rows} pixels but holds {held} bytes of them",
            "Fetch or export it again.",
            f"at least {header.stored_bytes}",
        )
    return header


def read(path: Path) -> tuple[Header, np.ndarray]:
    """Samples as stored, shape (rows, columns[, 3]), uint8 or uint16; of a bitmap, 1 is white as in every viewer.

    Raises:
        OSError: The file cannot be opened.
        UnreadableFileError: The header is broken, the samples do not fit it, or several pictures follow each other.
    """
    header = read_header(path)
    body = path.read_bytes()[header.start :]
    samples = _words(path, header, body) if header.plain else _raw(path, header, body)
    if samples.max(initial=0) > header.maximum:
        raise UnreadableFileError(
            path, f"holds the sample {samples.max():g}", "Export it again.", f"at most {header.maximum}"
        )
    shape = (header.rows, header.columns, 3)[: 2 + (header.channels == 3)]
    pixels = samples.reshape(shape).astype(np.uint8 if header.maximum < 256 else np.uint16)  # bytes are read-only
    return header, 1 - pixels if header.bitmap else pixels


def _parsed(head: bytes) -> Header | None:
    size = _SIZE.match(head)
    if size is None:
        return None
    kind, columns, rows = (int(number) for number in size.groups())
    bitmap = kind in (1, 4)
    end = size if bitmap else _MAXIMUM.match(head, size.end())
    maximum = 1 if bitmap else int(end[1]) if end else 0
    if end is None or min(columns, rows, maximum) < 1 or maximum > 65535:
        return None
    # One white space stands between the header and the samples.
    return Header(columns, rows, 3 if kind in (3, 6) else 1, maximum, kind < 4, bitmap, end.end() + 1)


def _words(path: Path, header: Header, body: bytes) -> np.ndarray:
    if re.fullmatch(rb"[\d\s]*", body) is None:
        raise UnreadableFileError(path, "holds words that are not numbers", "Export it again.")
    count = header.rows * header.columns * header.channels
    if header.bitmap:
        samples = np.frombuffer(b"".join(body.split()), np.uint8) - ord("0")
    else:
        samples = np.fromstring(body, np.float64, sep=" ")
    if len(samples) != count:
        raise UnreadableFileError(path, f"holds {len(samples)} samples", "Fetch or export it again.", str(count))
    return samples


def _raw(path: Path, header: Header, body: bytes) -> np.ndarray:
    if _NEXT.match(body, header.stored_bytes):
        raise UnreadableFileError(
            path, "holds several pictures", "Save the one to segment as a file of its own.", "one"
        )
    body = body[: header.stored_bytes]
    if not header.bitmap:
        return np.frombuffer(body, np.uint8 if header.maximum < 256 else np.dtype(">u2"))
    bits = np.unpackbits(np.frombuffer(body, np.uint8).reshape(header.rows, -1), axis=1)
    return bits[:, : header.columns]
