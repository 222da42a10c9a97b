"""A file that is coming in: whole under its name, or in quarantine with the reason, and never half of it."""

import os
from collections.abc import Iterable
from pathlib import Path

from medseg.atomic import flush_folder, write_text
from medseg.errors import MedsegError, OutputError, UnreadableFileError
from medseg.pacs.instances import Instance, look_at, stamp

__all__ = ["arrive", "put_aside", "unfinished_name"]


def unfinished_name(folder: Path, uid: str) -> Path:
    """Where a file lies until it is whole; hidden, so that nobody reads it."""
    return folder / f".{uid}.part"


def arrive(chunks: Iterable[bytes], path: Path, uid: str) -> Instance:
    """Write a file, look whether it is whole and the one that was meant, and have it on the disk.

    Args:
        chunks: Its content.
        path: Where it shall be; its folder is made.
        uid: SOPInstanceUID that it must have.

    Raises:
        UnreadableFileError: It is not whole, or another one; it lies under its `unfinished_name`.
        OutputError: It cannot be written.
        Exception: Whatever `chunks` raises.
    """
    unfinished = unfinished_name(path.parent, uid)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("wb")
    except OSError as error:
        raise _unwritable(path, error) from error
    with file:
        for chunk in chunks:  # what this raises is not of our disk
            try:
                file.write(chunk)
            except OSError as error:
                raise _unwritable(path, error) from error
    found = look_at(unfinished)
    if found.uid != uid:
        raise UnreadableFileError(path, f"is the instance {found.uid}", "Tell those who look after it.", uid)
    try:
        stamp(unfinished)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    flush_folder(path.parent)
    return found


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
