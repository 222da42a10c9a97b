"""What the rounds of a batch from an archive have in common, and how its studies and cases are called."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medseg.errors import InputError
from medseg.ledger import Entry, digest, read_ledger
from medseg.ledger.entries import ENDED
from medseg.ledger.fingerprints import Listing
from medseg.pacs.archive import Archive
from medseg.pacs.query import Query
from medseg.pseudonyms import Pseudonyms
from medseg.reporting import Reporter
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.openings import Openings
from medseg.workflow.pacs_book import FOLDER, Book
from medseg.workflow.pacs_sending import Delivery

__all__ = ["Names", "Work", "ended_in", "names_in", "purpose_of", "purpose_of_query"]

_HARMLESS = {"command", "jobs", "attempts", "timeout", "memory_limit", "retry_failed", "redo", "cluster", "workers"}


@dataclass(frozen=True)
class Names:
    """What UIDs and cases are called in OUT.

    Args:
        uid: Of a study, or of an instance that it has.
        case: Of a case, given its id.
    """

    uid: Callable[[str], str]
    case: Callable[[str], str]


@dataclass(frozen=True)
class Work:
    """What the rounds have in common.

    Args:
        model: What segments.
        out: Folder of the batch.
        options: How it is run.
        reporter: Told of the progress.
        series: Which series of a study is its case.
        purpose: See `purpose_of`.
        book: What was done before.
        names: In OUT.
        openings: Where the model is open from round to round.
        store: Where results go; None where they stay.
        delivery: What became of them so far.
        again: Studies that are done again because the user wants it.
    """

    model: Path
    out: Path
    options: BatchOptions
    reporter: Reporter
    series: str | None
    purpose: str
    book: Book
    names: Names
    openings: Openings
    store: Archive | None = None
    delivery: Delivery = field(default_factory=Delivery)
    again: set[str] = field(default_factory=set)

    @property
    def fetched(self) -> Path:
        """Where studies lie until they are done."""
        return self.out / FOLDER / "fetched"


def purpose_of(model: Path, options: BatchOptions, more: Any) -> str:
    """By what it is known that a study is done: the model's files, and everything that can change a result."""
    how = {key: value for key, value in asdict(options).items() if key not in _HARMLESS}
    files = Listing()(model) if model.exists() else str(model)
    return digest({"model": files, "how": how, "more": more})


def purpose_of_query(model: str | Path, options: BatchOptions, series: str | None, asked: Query) -> str:
    """`purpose_of` a batch whose studies are fetched: what it takes of each study belongs to it."""
    return purpose_of(Path(model), options, {"series": series, "asked": dict(asked.series)})


def names_in(out: Path, options: BatchOptions) -> Names:
    """Themselves, or pseudonyms.

    Raises:
        MedsegError: The file of the key lies in OUT, or is none.
    """
    if options.pseudonyms is None:
        return Names(str, str)
    known = Pseudonyms.from_file(options.pseudonyms, apart_from=[out])
    return Names(lambda uid: known.of("uid", uid), lambda case: known.of("case", case))


def ended_in(out: Path) -> dict[str, Entry]:
    """What the ledger of OUT has of cases that came to an end, by their ids."""
    with suppress(InputError), read_ledger(out) as ledger:
        return {name: entry for name, entry in ledger.known().items() if entry.state in ENDED}
    return {}
