"""The folder in OUT by which a run and its workers know one another: who shares the disk, what is begun, when to stop.

`OUT/.cluster-TOKEN/` is there as long as its run is. A worker that no longer finds it stops what it is at, so that
nothing of a run that was ended comes to the files of the next one. In it each task leaves a mark before it begins,
which outlives the process: so it is known which cases a dead worker was at, and at which stage.
"""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medseg.errors import OutputError

__all__ = ["Lease", "Mark", "Noted", "sweep"]

_PREFIX = ".cluster-"


@dataclass(frozen=True)
class Noted:
    """What a mark says.

    Args:
        doing: "" before the first stage, then as in `medseg.line.outcomes.crash`, or "ended".
        numbers: The cases that it is doing it to.
        among: As in `medseg.line.segmenting.Ask`.
        facts: What the headers of the cases say, by number, as far as they were read.
    """

    doing: str = ""
    numbers: tuple[int, ...] = ()
    among: int = 1
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Mark:
    """Written by the process that works at a task; what was written last is there however it ends.

    Args:
        path: Made by `Lease.begin`.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b", buffering=0)

    def note(self, noted: Noted) -> None:
        """Say what is being done now."""
        content = json.dumps(asdict(noted)).encode() + b"\n"
        self._file.seek(0)
        self._file.write(content)
        self._file.truncate()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


@dataclass(frozen=True)
class Lease:
    """The folder of one run.

    Args:
        folder: An absolute path, the same on every machine.
        token: What stands in it.
    """

    folder: Path
    token: str

    @classmethod
    def taken(cls, out: Path) -> "Lease":
        """A new one.

        Raises:
            OutputError: OUT cannot be written.
        """
        token = uuid.uuid4().hex
        lease = cls(out.absolute() / f"{_PREFIX}{token[:12]}", token)
        try:
            lease.folder.mkdir(parents=True)
            (lease.folder / "token").write_text(token, encoding="ascii")
        except OSError as error:
            mend = "Choose a folder that you may write to."
            raise OutputError(out, f"cannot be written ({error.strerror})", mend, error=error) from error
        return lease

    def end(self) -> None:
        """Remove it: whoever still works for the run stops."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def drain(self) -> None:
        """Let no further task begin; what has begun is finished."""
        with suppress(OSError):  # the disk is away, and nothing can begin
            (self.folder / "drain").touch()

    @property
    def held(self) -> bool:
        """Whether the run is still there, as seen from this machine."""
        try:
            return (self.folder / "token").read_text(encoding="ascii") == self.token
        except OSError:
            return False

    @property
    def draining(self) -> bool:
        """Whether no task may begin any more."""
        return (self.folder / "drain").exists()

    def answer(self, name: str) -> None:
        """Write the token back, as a worker that sees the folder.

        Raises:
            OSError: It cannot be written here.
        """
        (self.folder / f"seen-{name}").write_text(self.token, encoding="ascii")

    def answered(self, name: str) -> bool:
        """Whether what `answer` wrote elsewhere is seen here."""
        try:
            return (self.folder / f"seen-{name}").read_text(encoding="ascii") == self.token
        except OSError:
            return False

    def begin(self, serial: int) -> Path | None:
        """The mark of a task, made by whoever begins it first; None where somebody has."""
        path = self.folder / f"{serial}"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            return None
        return path

    def noted(self, serial: int) -> Noted | None:
        """What the mark of a task says; None where it was never begun."""
        try:
            content = (self.folder / f"{serial}").read_bytes()
        except OSError:
            return None
        try:
            told: dict[str, Any] = json.loads(content)
            return Noted(told["doing"], tuple(told["numbers"]), told["among"], told["facts"])
        except (ValueError, KeyError):
            return Noted()

    def forget(self, serial: int) -> None:
        """Remove the mark of a task, which has ended."""
        with suppress(OSError):
            (self.folder / f"{serial}").unlink(missing_ok=True)


def sweep(out: Path, but: Lease | None) -> None:
    """Remove the folders of earlier runs, which were killed: OUT is this run's own now."""
    for folder in out.glob(f"{_PREFIX}*"):
        if but is None or folder.name != but.folder.name:
            shutil.rmtree(folder, ignore_errors=True)
