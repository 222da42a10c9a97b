"""Walks a tree of folders as a user sees it: links to folders are followed, and each folder is visited once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["walked"]


def walked(root: Path, onerror: Callable[[OSError], None] | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Each folder below a folder, itself first, with the sorted names of its files; hidden folders are left out.

    Studies are often linked into a folder rather than copied. A link is followed unless it leads back (to a folder
    that holds it) or to what is visited anyway; a link that leads nowhere is one of the files.

    Args:
        root: Where to begin.
        onerror: Is given what keeps a folder from being opened; such a folder is passed over.
    """
    top = Path(os.path.realpath(root))
    seen: set[tuple[int, int]] = set()
    linked: set[str] = set()  # folders that were reached by a link: only these can have been visited before
    for folder, inner, names in os.walk(root, onerror=onerror, followlinks=True):
        mark = _mark(folder)
        if folder in linked and mark in seen:
            inner.clear()
            continue
        seen.add(mark)
        inner[:] = sorted(name for name in inner if not name.startswith(".") and _wanted(folder, name, top))
        paths = (os.path.join(folder, name) for name in inner)  # noqa: PTH118 - of many thousand folders, this is quicker
        linked.update(path for path in paths if folder in linked or os.path.islink(path))  # noqa: PTH114
        yield Path(folder), sorted(names)


def _mark(folder: str) -> tuple[int, int]:
    found = os.stat(folder)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _wanted(folder: str, name: str, top: Path) -> bool:
    """Whether a folder is no link, or one that leads to what nothing else would visit."""
    path = Path(folder, name)
    if not path.is_symlink():
        return True
    target, here = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    if here.is_relative_to(target):
        return False
    hidden = target.is_relative_to(top) and any(part.startswith(".") for part in target.relative_to(top).parts)
    return hidden or not target.is_relative_to(top)
