"""Pseudonyms of cases, patients and UIDs: a keyed hash of each, whose key is a file kept apart from all results."""

import hashlib
import hmac
import os
import secrets
import stat
import unicodedata
from base64 import b32encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from medseg.errors import ConfigError, InputError, OutputError, UnreadableFileError

__all__ = ["MARK", "Pseudonyms"]

MARK = "pseudonym:"  # before what stands for a path
_FIRST_LINE = "medseg pseudonyms 1"
_KEY_BYTES = 32
_SHIFTS = 3650  # days: within ten years, so that no date comes to lie in the future
_LETTERS = 10  # bytes of a hash in a pseudonym: 16 characters, which also fit DICOM's shortest texts (SH)


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms of one key: the same value gets the same one in every run, and without the key nobody tells whose.

    They are HMAC-SHA256 (RFC 2104) of kind and value, so that a patient and a case of the same name have two. Spaces
    at both ends and the way that accents are composed make no difference. What is empty stays empty.

    Args:
        key: 32 secret bytes.
    """

    key: bytes = field(repr=False)

    @classmethod
    def from_file(cls, path: str | Path, *, create: bool = True, apart_from: Iterable[str | Path] = ()) -> Self:
        """Read the key of a file; where there is none, make one that its owner alone may read.

        Args:
            path: The file.
            create: Whether one is made.
            apart_from: Folders that will be handed on, in which it must not lie.

        Raises:
            ConfigError: It lies in one of those.
            InputError: Others may read it.
            UnreadableFileError: It is missing and not to be made, or holds no key.
            OutputError: It cannot be made.
        """
        file = Path(path)
        for folder in apart_from:
            if file.resolve().is_relative_to(Path(folder).resolve()):
                mend = "Keep it where the results are not: who has both can tell whose they are."
                raise ConfigError(file, f"the key of the pseudonyms would lie in {folder}", mend)
        if create and not file.exists():
            _make(file)
        return cls(_read(file))

    def of(self, kind: str, value: str) -> str:
        """The pseudonym of a value: 16 of the characters a-z and 2-7, the same in names of files of any system.

        Args:
            kind: What it is, such as "case" or "patient".
            value: The original.
        """
        plain = _plain(value)
        return b32encode(self._hash(kind, plain)[:_LETTERS]).decode().lower() if plain else ""

    def uid(self, uid: str) -> str:
        """The UID that takes another's place: 2.25 and a number that keeps the form of a UUID (DICOM PS3.5, B.2)."""
        plain = _plain(uid)
        if not plain:
            return ""
        number = int.from_bytes(self._hash("uid", plain)[:16])
        number = number & ~(0xF << 76) & ~(0x3 << 62) | (0x8 << 76) | (0x2 << 62)  # version 8, variant of RFC 9562
        return f"2.25.{number}"

    def days(self, patient: str) -> int:
        """By how many days all dates of a patient move: -1 to -3650, so that the days between them stay."""
        return -1 - int.from_bytes(self._hash("days", _plain(patient))[:8]) % _SHIFTS

    def _hash(self, kind: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{value}".encode("utf-8", "surrogateescape"), hashlib.sha256)


def _plain(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip(" \0")


def _make(file: Path) -> None:
    """A new key, whole or not at all; where another process was quicker, its key stands."""
    text = f"{_FIRST_LINE}\n{secrets.token_hex(_KEY_BYTES)}\n"
    temporary = file.with_name(f".{file.name[:40]}-{secrets.token_hex(6)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as written:
            written.write(text)
            written.flush()
            os.fsync(fd)
        with suppress(FileExistsError):
            os.link(temporary, file)
    except OSError as error:
        mend = "Choose a folder that you may write to."
        raise OutputError(file, f"the key cannot be written ({error.strerror})", mend, error=error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _read(file: Path) -> bytes:
    mend = "Give the file of an earlier run, or a name that is free: the key is then made."
    try:
        open_to = stat.S_IMODE(file.stat().st_mode) & 0o077
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a key"
        raise UnreadableFileError(file, f"the key of the pseudonyms cannot be read ({reason})", mend) from error
    if open_to and os.name == "posix":
        raise InputError(file, "the key of the pseudonyms can be read by others", f"Close it: chmod 600 '{file}'.")
    with suppress(ValueError, IndexError):
        key = bytes.fromhex(lines[1])
        if lines[0] == _FIRST_LINE and len(key) == _KEY_BYTES:
            return key
    raise UnreadableFileError(file, "holds no key of pseudonyms", mend)
