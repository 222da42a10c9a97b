"""Annotation files that describe many images are parsed once, not once an image."""

import csv
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from medseg.errors import UnreadableFileError

__all__ = ["bytes_of", "parsed_once", "rows_of", "text_of"]

_KEPT = 8
_LARGEST = 1 << 30
_MEND = "Fetch the annotation file again."
Parsed = TypeVar("Parsed")


def parsed_once(parse: Callable[[Path], Parsed]) -> Callable[[Path], Parsed]:
    """The last few results are kept, for as long as a file keeps its size and time; nobody may change them."""

    @lru_cache(maxsize=_KEPT)
    def kept(path: Path, _modified_ns: int, _size: int) -> Parsed:
        return parse(path)

    def parsed(path: Path) -> Parsed:
        try:
            state = path.stat()
        except OSError as error:
            raise UnreadableFileError(path, f"cannot be read ({error.strerror})", "Check the path.") from error
        return kept(path, state.st_mtime_ns, state.st_size)

    return parsed


def bytes_of(path: Path, largest: int = _LARGEST) -> bytes:
    """The content of a file that is not absurdly large.

    Raises:
        UnreadableFileError: It is missing, no file, or larger.
    """
    try:
        size = path.stat().st_size if path.is_file() else -1
        if size < 0 or size > largest:
            found = "is no file" if size < 0 else f"is {size / 2**20:.0f} MiB large"
            raise UnreadableFileError(path, found, _MEND, f"an annotation file of at most {largest >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be read ({error.strerror})", _MEND) from error


def text_of(path: Path) -> str:
    """The content of a text file in UTF-8, or in Latin-1 where it is none.

    Raises:
        UnreadableFileError: As for `bytes_of`.
    """
    content = bytes_of(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def rows_of(path: Path) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """The stripped names of a CSV's columns, and its rows by these names, each with its line number.

    Raises:
        UnreadableFileError: It cannot be read, or a row has another number of fields.
    """
    reader = csv.reader(text_of(path).splitlines(keepends=True))
    try:
        names = tuple(name.strip() for name in next(reader, []))
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UnreadableFileError(path, f"is no CSV ({error})", _MEND) from error
    for line, row in rows:
        if len(row) != len(names):
            found = f"has {len(row)} fields"
            raise UnreadableFileError(f"{path}, line {line}", found, "Mend the commas or quotes.", f"{len(names)}")
    return names, [(line, {n: text.strip() for n, text in zip(names, row, strict=True)}) for line, row in rows]
