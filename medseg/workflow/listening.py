"""Studies that are pushed to us are segmented when they are complete, and their results sent on."""

import shutil
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg import address
from medseg.atomic import flush_folder
from medseg.case import Case
from medseg.errors import ArchiveError, ConfigError, InputError, MedsegError
from medseg.ledger import read_ledger
from medseg.ledger.entries import ENDED
from medseg.pacs.archive import Archive
from medseg.pacs.receiving import Door, Receiver
from medseg.reporting import Reporter, Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.pacs_book import FOLDER, Book, open_book
from medseg.workflow.pacs_sending import deliver, results_in
from medseg.workflow.pacs_work import purpose_of
from medseg.workflow.predicting import predict_listed
from medseg.workflow.watching import Listing, watch

if TYPE_CHECKING:
    from medseg.batch import Predictions

__all__ = ["Keeping", "listen"]

_GONE = ".gone-"  # before the name of a study that is being removed
_PAUSE = 2.0  # seconds between two looks for what is to be sent or removed


@dataclass(frozen=True)
class Keeping:
    """When a study counts as complete, and how long it stays.

    Args:
        quiet: Seconds for which nothing of it came.
        keep: Seconds for which it stays after it is done and its results are sent: what comes late still joins it.
        least_free: Bytes that must stay free on the disk.
    """

    quiet: float = 60.0
    keep: float = 3600.0
    least_free: int = 2 << 30


def listen(
    model: str | Path,
    out: str | Path,
    door: Door,
    options: BatchOptions | None = None,
    *,
    send: Archive | None = None,
    keeping: Keeping | None = None,
    series: str | None = None,
    once: bool = False,
    reporter: Reporter | None = None,
    listening: Callable[[int], object] = lambda port: None,
) -> int:
    """Receive, segment and send on, until Ctrl-C; started again it goes on where it was, however it ended.

    The folder `out/archive/received` is the queue: an instance is acknowledged when it lies there, and stays until its
    study is done and sent.

    Args:
        model: As in `medseg.predict`.
        out: As there.
        door: Who may send, and where.
        options: As there; without `part`, `redo`, `cluster` and `pseudonyms`.
        send: Where DICOM results go.
        keeping: When a study is complete, and how long it stays.
        series: As in `medseg.predict`.
        once: End when what lay there at the start, and has stopped growing, is done.
        reporter: Told of what comes.
        listening: Called with the port when it is open.

    Returns:
        How many cases have failed, of all in the tables.

    Raises:
        ArchiveError: The port cannot be had.
        ConfigError: An option has no meaning here.
        OutputError: `out` cannot be written.
    """
    out, options = Path(out), options or BatchOptions()
    keeping, reporter = keeping or Keeping(), reporter or Silent()
    for name in ("part", "redo", "cluster", "pseudonyms"):
        if getattr(options, name):
            raise ConfigError(f"--{name}", "has no meaning for a listener", "Leave it out.")
    folder = out / FOLDER
    inbox = folder / "received"
    with ExitStack() as stack:
        book = stack.enter_context(open_book(out))
        purpose = purpose_of(Path(model), options, {"series": series})
        rounds = _Rounds(Path(model), out, options, reporter, book, purpose)
        receiver = Receiver(door, inbox, folder / "quarantine", keeping.least_free, reporter.say)
        stack.enter_context(receiver)
        stack.enter_context(_Aftermath(out, book, send, keeping.keep, reporter))
        reporter.say(f"Listening as {door.ae} at {door.host}:{receiver.port}; results in {out}")
        listening(receiver.port)
        return watch(inbox, out, rounds.run, quiet=keeping.quiet, once=once, series=series, reporter=reporter)


@dataclass
class _Rounds:
    """Segments what has become complete; each round lists all that was ever done for the same purpose."""

    model: Path
    out: Path
    options: BatchOptions
    reporter: Reporter
    book: Book
    purpose: str

    @property
    def inbox(self) -> Path:
        return self.out / FOLDER / "received"

    def run(self, listing: Listing) -> "Predictions":
        """One round."""
        self._put_late_aside()
        here: dict[str, list[str]] = {}

        def listed(channels: int) -> Sequence[Case]:
            kept = []
            for case in listing(channels):
                study = self._study(case)
                if study is not None:
                    here.setdefault(study, []).append(case.id)
                    kept.append(case)
            done = self.book.done(self.purpose).items()
            gone = {case for study, cases in done if study not in here for case in cases}
            return [*_cases_before(self.out, gone), *kept]

        done = predict_listed(self.model, listed, self.out, self.options, self.reporter)
        for study, cases in here.items():
            self.book.enter(study, self.purpose, cases, _instances(self.inbox / study))
        return done

    def _study(self, case: Case) -> str | None:
        """The study in the inbox that a case is of."""
        path, _ = address.split(case.images[0])
        if not path.is_relative_to(self.inbox) or not path.exists():
            return None
        return path.relative_to(self.inbox).parts[0]

    def _put_late_aside(self) -> None:
        """What came of a study after it was done and removed, without the rest of it, is no study."""
        for folder in sorted(self.inbox.iterdir()):
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            if self.book.instances(folder.name) - _instances(folder):
                target = self.out / FOLDER / "late" / f"{folder.name}-{time.time_ns()}"
                target.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(target)
                self.reporter.say(f"Late, without the study that was done: {target}. Push the whole study again.")


class _Aftermath:
    """While it is entered, a thread sends results, and removes studies that are done, sent and old enough."""

    def __init__(self, out: Path, book: Book, send: Archive | None, keep: float, reporter: Reporter) -> None:
        self._out, self._book, self._send, self._keep, self._reporter = out, book, send, keep, reporter
        self._told: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sending results", daemon=True)

    def __enter__(self) -> None:
        for gone in (self._out / FOLDER / "received").glob(f"{_GONE}*"):
            _put_back(gone)  # of a process that was killed in between
        self._thread.start()

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()
        self._once()  # what was done last

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE):
            self._once()

    def _once(self) -> None:
        try:
            if self._send is not None:
                self._deliver(self._send)
            self._remove_old()
        except (MedsegError, OSError) as error:  # of the disk; it is tried again
            self._say_once("disk", str(error))

    def _deliver(self, archive: Archive) -> None:
        try:
            done = deliver(self._out, archive, self._book)
        except ArchiveError as error:
            self._say_once(archive.name, f"Not sent yet: {error}")
            return
        if done.sent:
            self._reporter.say(f"Sent {done.sent} results to {archive.name}")
        for path, refused in done.refused.items():
            self._say_once(str(path), f"Not sent: {refused}")

    def _say_once(self, about: str, text: str) -> None:
        if self._told.get(about) != text:
            self._told[about] = text
            self._reporter.say(text)

    def _remove_old(self) -> None:
        inbox = self._out / FOLDER / "received"
        old = self._book.older(time.time() - self._keep)
        present = {study: cases for study, cases in old.items() if (inbox / study).is_dir()}
        if not present:
            return
        finished = _finished(self._out)
        for study, cases in present.items():
            folder = inbox / study
            if not set(cases) <= finished or _instances(folder) != self._book.instances(study):
                continue  # more of it came meanwhile
            if self._send is not None and self._book.unsent(self._send.name, results_in(self._out, set(cases))):
                continue
            gone = inbox / f"{_GONE}{study}"
            folder.rename(gone)  # at once, so that no half of it is taken for a study
            if _instances(gone) != self._book.instances(study):
                _put_back(gone)  # an instance came, and was acknowledged, before the renaming
            shutil.rmtree(gone, ignore_errors=True)


def _put_back(gone: Path) -> None:
    """Move what lies in a folder that was to be removed back to the study, as far as that has not got it anew."""
    study = gone.with_name(gone.name.removeprefix(_GONE))
    for path in gone.rglob("*.dcm"):
        home = study / path.relative_to(gone)
        home.parent.mkdir(parents=True, exist_ok=True)
        path.replace(home)
        flush_folder(home.parent)
    shutil.rmtree(gone, ignore_errors=True)


def _instances(folder: Path) -> set[str]:
    return {path.stem for path in folder.rglob("*.dcm") if not path.name.startswith(".")}


def _cases_before(out: Path, cases: Collection[str]) -> list[Case]:
    """Cases whose files are not here any more, as the ledger has them."""
    with suppress(InputError), read_ledger(out) as ledger:
        found = (entry for name, entry in ledger.known().items() if name in cases and entry.state in ENDED)
        return [
            Case(entry.case, entry.patient, tuple(map(Path, entry.images)), columns=entry.columns) for entry in found
        ]
    return []


def _finished(out: Path) -> set[str]:
    with suppress(InputError), read_ledger(out) as ledger:
        return {name for name, entry in ledger.known().items() if entry.state in ENDED}
    return set()
