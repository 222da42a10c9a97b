"""A file that is coming in: whole under its name, or in quarantine with the reason, and never half of it."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from medseg.atomic import flush_folder, write_text
from medseg.errors import MedsegError, OutputError, UnreadableFileError
from medseg.pacs.instances import Instance, look_at, stamp

__all__ = ["arrive", "arrive_at", "put_aside", "unfinished_name"]


def unfinished_name(folder: Path, uid: str) -> Path:
    """Where a file lies until it is whole; hidden, so that nobody reads it."""
    return folder / f".{uid}.part"


def arrive(chunks: Iterable[bytes], path: Path, uid: str) -> Instance:
    """Write a file whose place is known before; see `arrive_at`."""
    return arrive_at(chunks, unfinished_name(path.parent, uid), lambda _: path, uid)


def arrive_at(chunks: Iterable[bytes], unfinished: Path, place: Callable[[Instance], Path], uid: str) -> Instance:
    """Write a file, look whether it is whole and the one that was meant, and have it on the disk, with its folders.

    Args:
        chunks: Its content.
        unfinished: Where it lies until then, on the same disk.
        place: Where it shall be; the folders above are made.
        uid: SOPInstanceUID that it must have.

    Raises:
        UnreadableFileError: It is not whole, or another one; it lies where it was unfinished.
        OutputError: It cannot be written.
        Exception: Whatever `chunks` or `place` raises.
    """
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("wb")
    except OSError as error:
        raise _unwritable(unfinished, error) from error
    with file:
        for chunk in chunks:  # what this raises is not of our disk
            try:
                file.write(chunk)
            except OSError as error:
                raise _unwritable(unfinished, error) from error
    found = look_at(unfinished)
    if found.uid != uid:
        raise UnreadableFileError(unfinished, f"is the instance {found.uid}", "Tell those who look after it.", uid)
    path = place(found)
    try:
        stamp(unfinished)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        new = _made(path.parent)
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    for folder in (path.parent, *new):
        flush_folder(folder)
    return found


def _made(folder: Path) -> list[Path]:
    """Make a folder; those in which a name is new by that."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [one.parent for one in missing]


def put_aside(unfinished: Path, quarantine: Path, uid: str, error: MedsegError) -> Path:
    """Keep what came broken, and why, where nothing takes it for a study.

    Raises:
        OutputError: It cannot be written.
    """
    kept = quarantine / f"{uid}.broken"
    try:
        quarantine.mkdir(parents=True, exist_ok=True)
        unfinished.replace(kept)
    except OSError as failed:
        raise _unwritable(kept, failed) from failed
    write_text(quarantine / f"{uid}.txt", f"{error}\n")
    return kept


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(path, f"cannot be written ({error.strerror})", "Is there room on its disk?", error=error)
