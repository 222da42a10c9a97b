"""What every archive can do, however it is reached, and the patience with which it is asked."""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from medseg.errors import ArchiveError, MedsegError
from medseg.pacs.query import Found, Query

__all__ = ["Archive", "Place", "Stored", "Wait", "checked_uid", "patiently"]

Wait = Callable[[float], object]
_UID = re.compile(r"[0-9][0-9.]{0,63}")
_FIRST, _LONGEST = 0.5, 30.0  # seconds of waiting before the second attempt, and at most
T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where fetched instances go.

    Args:
        folder: Gets `<SOPInstanceUID>.dcm`, whole or not at all.
        quarantine: Gets what came broken, with a text that says how.
    """

    folder: Path
    quarantine: Path


@dataclass
class Stored:
    """What an archive said to what it was given, by SOPInstanceUID.

    Args:
        taken: It has them now.
        refused: It refused these, for a reason.
    """

    taken: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


class Archive(Protocol):
    """Studies on another machine.

    Every method may raise ArchiveError where the archive cannot be reached after all attempts, or refuses.
    """

    name: str

    def echo(self) -> str:
        """Ask whether it is there, and let us in; what was found in words."""

    def studies(self, query: Query) -> list[Found]:
        """The studies that a query means."""

    def series(self, study: str, query: Query | None = None) -> list[Found]:
        """The series of a study, at least those that a query means, with the attributes that it names."""

    def instances(self, study: str, series: str) -> list[str]:
        """SOPInstanceUIDs of a series."""

    def fetch(self, study: str, series: str, wanted: Sequence[str], place: Place) -> Mapping[str, MedsegError]:
        """Bring instances of a series into a folder; those that came broken, with what is wrong."""

    def holds(self, study: str, series: str, uids: Sequence[str]) -> set[str]:
        """Which of these instances of a series it has."""

    def store(self, study: str, files: Sequence[Path]) -> Stored:
        """Give it files of one study."""


def patiently(action: Callable[[], T], attempts: int, wait: Wait = time.sleep) -> T:
    """Do something that may fail for a while: the pauses double, and differ so that not all come back at once.

    Args:
        action: It.
        attempts: How often.
        wait: Waits so many seconds; what it returns is true where nothing more shall be tried.

    Raises:
        ArchiveError: It will not pass, or has not after so many attempts.
    """
    pause = _FIRST
    for _ in range(attempts - 1):
        try:
            return action()
        except ArchiveError as error:
            if not error.passing or wait(pause * random.uniform(0.5, 1.0)):
                raise
        pause = min(2 * pause, _LONGEST)
    return action()


def checked_uid(uid: str, name: str) -> str:
    """A UID that an archive told of, which becomes part of paths and URLs.

    Raises:
        ArchiveError: It is none.
    """
    if not _UID.fullmatch(uid):
        raise ArchiveError(name, f"tells of an object with the UID {uid!r}", "Tell those who look after it.")
    return uid
