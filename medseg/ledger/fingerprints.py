"""By what it is known that a case, or a setting, is the one of an earlier run: hashes in which no place occurs."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medseg import address
from medseg.atomic import json_text
from medseg.case import Case
from medseg.walking import walked

__all__ = ["Listing", "digest", "fingerprint", "outputs_of"]

_WITH_SIBLINGS = {".mhd", ".nhdr", ".hdr", ".img"}  # of these the voxels lie in a file of the same stem
_CHUNK = 1 << 20
Signs = tuple[tuple[str, int, int], ...]


def digest(content: Any) -> str:
    """SHA-256 of content as JSON, its keys sorted."""
    return hashlib.sha256(json_text(content).encode("utf-8", "surrogateescape")).hexdigest()


class Listing:
    """Names, sizes and times of files; of a folder that many cases share they are looked up once."""

    def __init__(self) -> None:
        self._known: dict[Path, Signs] = {}

    def __call__(self, path: Path) -> Signs:
        """(Name below the path, bytes, time in ns) of each file, sorted; (name, -1, 0) of what is not there."""
        if path not in self._known:
            self._known[path] = tuple(sorted(_signs(path)))
        return self._known[path]


def fingerprint(case: Case, listing: Listing) -> str:
    """SHA-256 over address, name, size and time of each of a case's files, and what its listing says of it.

    That is the spacing that its data set states, and why it is refused.

    The folder that a file lies in is not part of it, so that a tree may be moved or mounted elsewhere; of an address
    inside a folder or file all of it counts.
    """
    signs = []
    for image in case.images:
        path, inside = address.split(image)
        signs.append([inside, [list(sign) for sign in listing(path)]])
    refused = {} if case.refusal is None else {"refused": str(case.refusal)}
    return digest({"files": signs, "spacing_mm": case.spacing_mm, **refused})


def outputs_of(out: Path, paths: Iterable[Path]) -> dict[str, tuple[int, str]]:
    """Of each file its size in bytes and its SHA-256, by its path below `out`.

    Raises:
        OSError: One is gone.
    """
    return {path.relative_to(out).as_posix(): _content(path) for path in sorted(paths)}


def _content(path: Path) -> tuple[int, str]:
    size, found = 0, hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            found.update(chunk)
    return size, found.hexdigest()


def _signs(path: Path) -> Iterable[tuple[str, int, int]]:
    if path.is_dir():
        for folder, files in walked(path):
            below = folder.relative_to(path)
            yield from (_sign(folder / file, (below / file).as_posix()) for file in files)
    elif path.suffix.lower() in _WITH_SIBLINGS and path.parent.is_dir():
        alike = (other for other in path.parent.iterdir() if other.name.split(".")[0] == path.name.split(".")[0])
        yield from (_sign(other, other.name) for other in alike)
    else:
        yield _sign(path, path.name)


def _sign(path: Path, name: str) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return name, -1, 0
    return name, found.st_size, found.st_mtime_ns
