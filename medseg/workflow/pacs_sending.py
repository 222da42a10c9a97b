"""Sends the DICOM results of a batch to an archive: each once, whatever is killed in between."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import InputError, MedsegError
from medseg.ledger import read_ledger
from medseg.ledger.entries import DONE
from medseg.pacs.archive import Archive
from medseg.pacs.sending import send_missing
from medseg.workflow.pacs_book import Book

__all__ = ["Delivery", "deliver", "results_in"]


@dataclass
class Delivery:
    """What became of results.

    Args:
        sent: How many the archive took now.
        there: How many it had.
        refused: Those that it did not take, by path, with the reason; they are tried again the next time.
    """

    sent: int = 0
    there: int = 0
    refused: dict[Path, MedsegError] = field(default_factory=dict)


def results_in(out: Path, cases: Collection[str]) -> dict[str, str]:
    """The DICOM files of finished cases by their paths below OUT, with their SHA-256.

    Args:
        out: What `predict` wrote, or writes.
        cases: Of these alone.
    """
    with suppress(InputError), read_ledger(out) as ledger:
        done = [entry for name, entry in ledger.known().items() if name in cases and entry.state == DONE]
        return {path: sha for entry in done for path, (_, sha) in entry.outputs.items() if path.endswith(".dcm")}
    return {}


def deliver(out: Path, archive: Archive, book: Book, cases: Collection[str]) -> Delivery:
    """Send what the archive has not got yet; it is asked first, as an earlier run may have been killed in between.

    Raises:
        ArchiveError: It cannot be reached; what it took is entered, and the rest is sent the next time.
    """
    results = results_in(out, cases)
    done = Delivery()
    by_case: dict[str, list[str]] = {}
    for path in book.unsent(archive.name, results):
        by_case.setdefault(path.partition("/")[0], []).append(path)
    for paths in by_case.values():
        sent = send_missing(archive, [out / path for path in paths])
        book.send(archive.name, [(path, results[path]) for path in paths if out / path not in sent.refused])
        done.sent += len(sent.taken)
        done.there += len(sent.there)
        done.refused |= sent.refused
    return done
