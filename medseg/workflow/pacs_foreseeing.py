"""What a batch from an archive would do: what the query finds, and what of it is done. Nothing is fetched."""

from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import ConfigError
from medseg.pacs.query import Query
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.pacs import find
from medseg.workflow.pacs_book import read_book
from medseg.workflow.pacs_left import asked_again, stays_in
from medseg.workflow.pacs_work import purpose_of_query

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["foreseen"]


def foreseen(
    model: str | Path,
    word: str,
    asked: Query,
    out: Path,
    options: BatchOptions,
    *,
    nodes: Path | None = None,
    series: str | None = None,
) -> "pd.DataFrame":
    """The series that a query finds, and whether their study is to be done. The archive is asked, the model not opened.

    Whether a study has grown since it was done, and what a rule for series leaves of it, is known when it is fetched.

    Args:
        model: As in `medseg.predict`.
        word: The archive.
        asked: Which of its studies and series.
        out: The folder of the batch.
        options: How it would be run.
        nodes: File of nodes.
        series: Rule for the series of a study.

    Returns:
        A row a series: state ("to do", "done"), patient, date, what study and series are, their UIDs, instances.

    Raises:
        ArchiveError: It cannot be asked.
        ConfigError: The options name nothing that is there, or cases are to be called by pseudonyms.
        OutputError: The folder's record of studies is damaged.
    """
    if options.pseudonyms is not None:
        raise ConfigError("--pseudonyms", "an archive tells of patients by their names", "Leave out --dry-run.")
    found = find(word, asked, nodes=nodes, series=True)
    done: dict[str, list[str]] = {}
    with read_book(out) as book:
        if book is not None:
            done = book.done(purpose_of_query(model, options, series, asked))
    studies = list(found["StudyInstanceUID"].unique())
    again = asked_again(options, {study: done.get(study, [study]) for study in studies})
    stays = stays_in(out, options)
    kept = {study for study in studies if study in done and study not in again and all(map(stays, done[study]))}
    found.insert(0, "state", ["done" if study in kept else "to do" for study in found["StudyInstanceUID"]])
    return found
