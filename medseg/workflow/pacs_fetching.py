"""Fetches the studies of a batch ahead of it, in a thread, so that never more than so many bytes lie on the disk."""

import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import ArchiveError, MedsegError
from medseg.pacs.fetching import Fetched

__all__ = ["Ahead", "Came"]

_FAREWELL = 5.0  # seconds for what is on its way
_LOST = 3  # studies in a row that cannot be had before the archive counts as gone


@dataclass(frozen=True)
class Came:
    """A study that was fetched, or not.

    Args:
        study: StudyInstanceUID.
        folder: It.
        size: Bytes.
        instances: SOPInstanceUIDs.
        error: Why it is not there, or not whole.
    """

    study: str
    folder: Path
    size: int = 0
    instances: tuple[str, ...] = ()
    error: MedsegError | None = None


class Ahead:
    """Fetches studies, one after another, as far as there is room; each has several connections of its own.

    Args:
        studies: StudyInstanceUIDs.
        folder_of: Where each goes.
        fetch: Fetches one into its folder.
        room: Bytes; one study that is larger comes alone.
        stop: Set when nothing more shall be fetched.
    """

    def __init__(
        self,
        studies: Sequence[str],
        folder_of: Callable[[str], Path],
        fetch: Callable[[str, Path], Fetched],
        room: int,
        stop: threading.Event,
    ) -> None:
        self._todo, self._folder_of, self._fetch, self._room, self._stop = deque(studies), folder_of, fetch, room, stop
        self._came: deque[Came] = deque()
        self._change = threading.Condition()
        self._held = self._largest = 0
        self._waits = self._ended = False
        self.gone: ArchiveError | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fetching ahead", daemon=True)
        self._thread.start()

    def take(self, most: int) -> list[Came]:
        """The next studies: so many, or fewer where there is no room for more; none at the end.

        Raises:
            MedsegError: They cannot be written.
        """
        with self._change:
            while not (self._ended or len(self._came) >= most or (self._waits and self._came)):
                self._change.wait(0.2)  # so that Ctrl-C is heard
            if self._failure is not None:
                raise self._failure
            return [self._came.popleft() for _ in range(min(most, len(self._came)))]

    def release(self, came: Came, *, keep: bool = False) -> None:
        """Remove a study from the disk; with `keep`, the part that came of it stays for the next time."""
        if not keep:
            shutil.rmtree(came.folder, ignore_errors=True)
        with self._change:
            self._held -= came.size
            self._change.notify_all()

    def close(self) -> None:
        """Fetch nothing more; what is on its way comes, or is left for the next time."""
        self._stop.set()
        with self._change:
            self._todo.clear()
            self._change.notify_all()
        self._thread.join(_FAREWELL)

    def _run(self) -> None:
        lost = 0
        try:
            while (study := self._next()) is not None:
                came = self._one(study)
                lost = lost + 1 if isinstance(came.error, ArchiveError) and came.error.passing else 0
                with self._change:
                    if lost == _LOST and isinstance(came.error, ArchiveError):
                        self.gone = came.error
                        self._todo.clear()
                    self._came.append(came)
                    self._held += came.size
                    self._largest = max(self._largest, came.size)
                    self._change.notify_all()
        except BaseException as error:  # the thread of the batch raises it
            self._failure = error
        with self._change:
            self._ended = True
            self._change.notify_all()

    def _next(self) -> str | None:
        """The next study, when there is room for it."""
        with self._change:
            while self._held and self._held + self._largest > self._room and not self._stop.is_set():
                self._waits = True
                self._change.notify_all()
                self._change.wait()
            self._waits = False
            return self._todo.popleft() if self._todo and not self._stop.is_set() else None

    def _one(self, study: str) -> Came:
        folder = self._folder_of(study)
        try:
            got = self._fetch(study, folder)
        except ArchiveError as error:
            return Came(study, folder, _size(folder), error=error)
        uids = tuple(path.stem for path in folder.rglob("*.dcm"))
        return Came(study, folder, _size(folder), uids, next(iter(got.broken.values()), None))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
