"""What a listener does with studies that are done: results are sent, and files removed, while others are segmented."""

import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from medseg.atomic import flush_folder
from medseg.errors import ArchiveError, InputError, MedsegError
from medseg.ledger import read_ledger
from medseg.ledger.entries import ENDED
from medseg.pacs.archive import Archive
from medseg.reporting import Reporter
from medseg.workflow.listening_rounds import instances_in
from medseg.workflow.pacs_book import FOLDER, Book
from medseg.workflow.pacs_sending import deliver, results_in

__all__ = ["Aftermath"]

_GONE = ".gone-"  # before the name of a study that is being removed
_PAUSE = 2.0  # seconds between two looks for what is to be sent or removed


class Aftermath:
    """While it is entered, a thread sends results, and removes studies that are done, sent and old enough.

    Args:
        out: Folder of the batch.
        book: What is done, and sent.
        purpose: Of the present listener: what was done for another one stays until it is done for this one.
        send: Where results go; None where they stay.
        keep: Seconds for which a study stays.
        reporter: Told what is sent, and what cannot be.
        tidy: Held while names in the inbox are changed.
    """

    def __init__(
        self,
        out: Path,
        book: Book,
        purpose: str,
        send: Archive | None,
        keep: float,
        reporter: Reporter,
        tidy: threading.Lock,
    ) -> None:
        self._out, self._book, self._purpose, self._send = out, book, purpose, send
        self._keep, self._reporter, self._tidy = keep, reporter, tidy
        self._told: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sending results", daemon=True)

    def __enter__(self) -> None:
        for gone in (self._out / FOLDER / "received").glob(f"{_GONE}*"):  # of a process that was killed in between
            if instances_in(gone) <= self._book.instances(gone.name.removeprefix(_GONE)):
                shutil.rmtree(gone, ignore_errors=True)
            else:
                _put_back(gone)
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
        except Exception as error:  # whatever one result does to a library, the thread goes on with the others
            self._say_once("unforeseen", f"Results are not sent: unexpected {type(error).__name__}; tried again")

    def _deliver(self, archive: Archive) -> None:
        try:
            ours = {case for cases in self._book.done(self._purpose).values() for case in cases}
            done = deliver(self._out, archive, self._book, ours)
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
        old = self._book.older(self._purpose, time.time() - self._keep)
        present = {study: cases for study, cases in old.items() if (inbox / study).is_dir()}
        if not present:
            return
        finished = _finished(self._out)
        for study, cases in present.items():
            if not set(cases) <= finished:
                continue
            if self._send is not None and self._book.unsent(self._send.name, results_in(self._out, set(cases))):
                continue
            with self._tidy:
                self._remove(inbox / study)

    def _remove(self, folder: Path) -> None:
        had = self._book.instances(folder.name)
        if not folder.is_dir() or instances_in(folder) != had:
            return  # more of it came meanwhile
        gone = folder.with_name(f"{_GONE}{folder.name}")
        folder.rename(gone)  # at once, so that no half of it is taken for a study
        if instances_in(gone) != had:
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


def _finished(out: Path) -> set[str]:
    with suppress(InputError), read_ledger(out) as ledger:
        return {name for name, entry in ledger.known().items() if entry.state in ENDED}
    return set()
