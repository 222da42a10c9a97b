"""The rounds of a listener: which studies are complete, which grow again, and which came too late."""

import threading
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medseg import address
from medseg.case import Case
from medseg.datasets.inbox import Unit
from medseg.errors import InputError
from medseg.ledger import read_ledger
from medseg.ledger.entries import ENDED
from medseg.reporting import Reporter
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.openings import Openings
from medseg.workflow.pacs_book import FOLDER, Book
from medseg.workflow.predicting import predict_listed
from medseg.workflow.watching import Listing

if TYPE_CHECKING:
    from medseg.batch import Predictions

__all__ = ["Rounds", "instances_in"]


@dataclass
class Rounds:
    """Segments what has become complete; each round lists all that was ever done for the same purpose.

    Args:
        model: What segments.
        out: Folder of the batch.
        options: How it is run.
        reporter: Told of the progress.
        book: What is done.
        purpose: See `medseg.workflow.pacs_work.purpose_of`.
        tidy: Held while names in the inbox are changed.
        settled: The instances of each study when nothing more came.
        openings: Where the model is open from round to round.
    """

    model: Path
    out: Path
    options: BatchOptions
    reporter: Reporter
    book: Book
    purpose: str
    tidy: threading.Lock
    settled: dict[str, set[str]] = field(default_factory=dict)
    openings: Openings | None = None

    @property
    def inbox(self) -> Path:
        """Where studies come in."""
        return self.out / FOLDER / "received"

    def settle(self, units: Sequence[Unit]) -> None:
        """Remember what studies consisted of when nothing more came."""
        present = self._present()
        kept = {study: had for study, had in self.settled.items() if study in present}
        self.settled = kept | {unit.name: present[unit.name] for unit in units if unit.name in present}

    def run(self, listing: Listing) -> "Predictions":
        """One round."""
        here: dict[str, list[str]] = {}

        def listed(channels: int) -> Sequence[Case]:
            cases = self._complete(listing(channels))
            for study, case in cases:
                here.setdefault(study, []).append(case.id)
            done = self.book.done(self.purpose).items()
            others = {case for study, names in done if study not in here for case in names}
            return [*self._before(others), *(case for _, case in cases)]

        done = predict_listed(self.model, listed, self.out, self.options, self.reporter, self.openings)
        known = self.book.done(self.purpose)
        for study, had in self.settled.items():
            if study in here or study not in known:  # perhaps of localizers alone: without a case
                self.book.enter(study, self.purpose, here.get(study, ()), had)
        return done

    def _complete(self, cases: Iterable[Case]) -> list[tuple[str, Case]]:
        """Cases of studies that are as they were when they settled; a study that grows again waits."""
        present = self._present()
        late = {study for study, had in present.items() if had == self.settled.get(study) and self._is_late(study, had)}
        for study in late:
            self._put_aside(study)
        found = []
        for case in cases:
            path, _ = address.split(case.images[0])
            study = path.relative_to(self.inbox).parts[0] if path.is_relative_to(self.inbox) else ""
            if study in present and present[study] == self.settled.get(study) and study not in late:
                found.append((study, case))
        return found

    def _is_late(self, study: str, had: set[str]) -> bool:
        """Whether that came after the study was done and removed, without the rest of it."""
        return bool(self.book.instances(study) - had)

    def _put_aside(self, study: str) -> None:
        target = self.out / FOLDER / "late" / f"{study}-{time.time_ns()}"
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.tidy:
            (self.inbox / study).rename(target)
        self.reporter.say(f"Late, without the study that was done: {target}. Push the whole study again.")

    def _present(self) -> dict[str, set[str]]:
        """The instances of each study in the inbox."""
        with self.tidy:
            folders = [one for one in self.inbox.iterdir() if not one.name.startswith(".") and one.is_dir()]
            return {folder.name: instances_in(folder) for folder in sorted(folders)}

    def _before(self, cases: Collection[str]) -> list[Case]:
        """Cases that are done, as the ledger has them; files of theirs that are here again are not looked at."""
        waiting = self.inbox / ".waiting"  # where nothing is
        with suppress(InputError), read_ledger(self.out) as ledger:
            entries = [entry for name, entry in ledger.known().items() if name in cases and entry.state in ENDED]
            known = [
                Case(entry.case, entry.patient, tuple(map(Path, entry.images)), columns=entry.columns)
                for entry in entries
            ]
            return [
                replace(case, images=(waiting / case.id,)) if any(map(address.exists, case.images)) else case
                for case in known
            ]
        return []


def instances_in(folder: Path) -> set[str]:
    """SOPInstanceUIDs of what lies below a folder, by the names of the files."""
    return {path.stem for path in folder.rglob("*.dcm") if not path.name.startswith(".")}
