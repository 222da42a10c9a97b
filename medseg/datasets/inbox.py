"""A folder into which studies are copied: which of them have stopped growing. It is looked at, never listened to."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from medseg.io import formats
from medseg.io.archive import is_archive

__all__ = ["Inbox", "Look", "Unit"]

_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".download", ".incomplete", "~")
_THOROUGH = 600.0  # seconds after which the files of a study that was taken are looked at again, not its folders alone
_CHANNEL = re.compile(r"(.+)_[0-9]{4}\.[^0-9].*")


@dataclass(frozen=True)
class Unit:
    """What is taken as a whole: a folder of the inbox with all below it, or a file, or channels of one image.

    Args:
        name: Of the folder or file; of channels what their names share.
        paths: The folder, or the files.
    """

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Look:
    """What one look found.

    Args:
        there: Whether the inbox could be opened.
        settled: Units that have stopped growing, each told once; again when it has changed and stopped again.
        growing: Names of the units that are not settled.
    """

    there: bool
    settled: tuple[Unit, ...] = ()
    growing: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sign:
    """What changes while a unit grows."""

    files: int
    size: int
    newest: int
    unfinished: bool


@dataclass
class _Known:
    sign: _Sign
    since: float
    looked: float
    folders: dict[str, int] = field(default_factory=dict)
    taken: bool = False


class Inbox:
    """Remembers what each unit looked like.

    A unit has stopped growing when number, bytes and times of its files stayed as they were for `quiet` seconds, and
    none of them has a name of a file that is being copied (`.part`, `.tmp`, `.filepart` ...). Clocks of other machines
    do not matter. Hidden files are never looked at. Of a unit that was taken only the folders are looked at, whose
    times tell of new and renamed files, and every ten minutes all files.

    Args:
        root: The folder.
        quiet: Seconds.
    """

    def __init__(self, root: Path, quiet: float) -> None:
        self.root, self._quiet = root, quiet
        self._known: dict[str, _Known] = {}

    def look(self, now: float) -> Look:
        """Look once.

        Args:
            now: Seconds on a clock that only ever advances.
        """
        try:
            with os.scandir(self.root) as entries:
                units = _units(entries)
        except OSError:
            for known in self._known.values():
                known.since = now  # nobody saw it be quiet
            return Look(False)
        for name in self._known.keys() - units.keys():
            del self._known[name]
        settled, growing = [], []
        for name, entries_of in sorted(units.items()):
            seen = self._seen(name, entries_of, now)
            if seen is None or seen.taken:
                continue
            if now - seen.since >= self._quiet and not seen.sign.unfinished:
                seen.taken = True
                settled.append(Unit(name, tuple(sorted(Path(entry.path) for entry in entries_of))))
            else:
                growing.append(name)
        return Look(True, tuple(settled), tuple(growing))

    def _seen(self, name: str, entries: list[os.DirEntry[str]], now: float) -> _Known | None:
        known = self._known.get(name)
        if known is not None and known.taken and now - known.looked < _THOROUGH and _same(known.folders, entries):
            return known
        folders: dict[str, int] = {}
        try:
            sign = _sign(entries, folders)
        except OSError:  # something of it went away meanwhile
            self._known.pop(name, None)
            return None
        if not sign.files:
            self._known.pop(name, None)
            return None
        if known is None or known.sign != sign:
            known = self._known[name] = _Known(sign, now, now)
        known.folders, known.looked = folders, now
        return known


def _units(entries: Iterable[os.DirEntry[str]]) -> dict[str, list[os.DirEntry[str]]]:
    units: dict[str, list[os.DirEntry[str]]] = {}
    for entry in entries:
        if _is_left(entry.name):
            continue
        path = Path(entry.name)
        if not entry.is_dir():
            known = formats.ending(path) in formats.ENDINGS or is_archive(path) or formats.may_be_dicom(path)
            if not known:
                continue
        channel = None if entry.is_dir() else _CHANNEL.fullmatch(entry.name)
        units.setdefault(channel[1] if channel else entry.name, []).append(entry)
    return units


def _is_left(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(_UNFINISHED)


def _same(folders: dict[str, int], entries: list[os.DirEntry[str]]) -> bool:
    """Whether no file came, went or was renamed in the folders of a unit; loose files are always looked at."""
    if not all(entry.is_dir() for entry in entries):
        return False
    try:
        return all(os.stat(path).st_mtime_ns == stamp for path, stamp in folders.items())  # noqa: PTH116 - 20 times as quick
    except OSError:
        return False


def _sign(entries: Iterable[os.DirEntry[str]], folders: dict[str, int]) -> _Sign:
    """Number, bytes and latest time of the files of a unit; into `folders` the time of each of its folders."""
    files = size = newest = 0
    unfinished = False
    waiting, seen = list(entries), set()
    while waiting:
        entry = waiting.pop()
        found = entry.stat()
        if entry.is_dir():
            mark = found.st_dev, found.st_ino
            if mark in seen:  # links may lead in circles
                continue
            seen.add(mark)
            folders[entry.path] = found.st_mtime_ns
            with os.scandir(entry.path) as inner:
                for one in inner:
                    if not _is_left(one.name):
                        waiting.append(one)
                    elif not one.name.startswith("."):
                        unfinished = True
        else:
            files, size, newest = files + 1, size + found.st_size, max(newest, found.st_mtime_ns)
    return _Sign(files, size, newest, unfinished)
