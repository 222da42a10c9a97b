"""The parts of a multipart/related message (RFC 2046, 2387), read as they come and written as they are sent."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from email.message import Message
from pathlib import Path

__all__ = ["Related", "TruncatedError", "first_part"]

_CHUNK = 1 << 20
_LONGEST_HEAD = 1 << 16


class TruncatedError(Exception):
    """A message that ends before its end."""


def first_part(chunks: Iterable[bytes], content_type: str) -> Iterator[bytes]:
    """The content of the first part of a message, chunk by chunk; of a message of another kind all of it.

    Args:
        chunks: Of the message's body.
        content_type: Its header.

    Raises:
        TruncatedError: The message ends within the part, or has none.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if not content_type.lower().startswith("multipart/") or not isinstance(boundary, str):
        yield from chunks
        return
    mark = b"--" + boundary.encode("latin-1")
    source = iter(chunks)
    held = _after_head(source, mark)
    end = b"\r\n" + mark
    for chunk in source:
        if (at := held.find(end)) >= 0:
            yield held[:at]
            return
        keep = max(0, len(held) - len(end))
        yield held[:keep]
        held = held[keep:] + chunk
    if (at := held.find(end)) < 0:
        raise TruncatedError("it ends within a part")
    yield held[:at]


def _after_head(source: Iterator[bytes], mark: bytes) -> bytes:
    """What was read beyond the headers of the first part."""
    held = b""
    while (start := held.find(mark)) < 0 or (blank := held.find(b"\r\n\r\n", start)) < 0:
        more = next(source, None)
        if more is None or len(held) > _LONGEST_HEAD:
            raise TruncatedError("it has no part")
        held += more
    return held[blank + 4 :]


class Related:
    """Files as one multipart/related message, of which a chunk at a time is in memory; it can be read again.

    Args:
        files: DICOM files.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._boundary = secrets.token_hex(24)
        self._files = tuple(files)
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def content_type(self) -> str:
        """For the message's header."""
        return f'multipart/related; type="application/dicom"; boundary={self._boundary}'

    def __len__(self) -> int:
        """Bytes of all of it."""
        return sum(len(self._head) + file.stat().st_size + 2 for file in self._files) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        """The message in chunks."""
        for path in self._files:
            yield self._head
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
            yield b"\r\n"
        yield self._end

    @property
    def _head(self) -> bytes:
        return f"--{self._boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
