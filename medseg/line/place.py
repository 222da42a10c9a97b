"""The folder of a batch: whether it is still there, whether there is room, and waiting until both are so."""

import errno
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from medseg.errors import OutputError
from medseg.ledger import NAME
from medseg.reporting import Reporter

__all__ = ["Place", "is_pause"]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNREACHABLE = {errno.EIO, errno.ENOENT, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT, errno.EHOSTDOWN}
_ROOM = 4 << 20  # bytes that have to fit before it goes on
_PERIOD = 2.0  # seconds between two looks


def is_pause(found: object) -> bool:
    """Whether that is an error of a disk that is full or away, which waiting may mend."""
    number = getattr(found, "errno", None)
    if isinstance(found, OutputError):
        return number in _FULL | _UNREACHABLE
    return isinstance(found, OSError) and number in _FULL  # of arrays that lie in files


class Place:
    """The folder of a batch, known by its ledger.

    Args:
        out: The folder; the ledger is in it.
        reporter: Is told when it has to wait.
        heard: Entered while it waits, where Ctrl-C may end it.
    """

    def __init__(self, out: Path, reporter: Reporter, heard: Callable[[], AbstractContextManager[None]]) -> None:
        self._out, self._reporter, self._heard = out, reporter, heard
        self._ledger = (out / NAME).stat()

    def there(self) -> bool:
        """Whether it is still the one that the batch began with: an empty mount point is not."""
        try:
            return os.path.samestat((self._out / NAME).stat(), self._ledger)
        except OSError:
            return False

    def wait(self, error: Exception) -> None:
        """Return when it is there and has room; says once that it waits, and why."""
        what = "no space left" if getattr(error, "errno", None) in _FULL else "cannot be reached"
        self._reporter.say(f"Waiting: {what} in {self._out} ({error}) It goes on by itself; Ctrl-C twice ends it.")
        while True:
            with self._heard():
                time.sleep(_PERIOD)
            if self.there() and self._has_room():
                break
        self._reporter.say(f"Going on: {self._out} can be written again")

    def _has_room(self) -> bool:
        try:
            with tempfile.TemporaryFile(dir=self._out) as file:
                file.write(bytes(_ROOM))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            return False
        return True
