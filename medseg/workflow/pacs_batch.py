"""A batch whose studies lie in an archive: fetched ahead, segmented in rounds, removed when done, results stored."""

import shutil
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.datasets import cases_below, parse_series_rule
from medseg.errors import ArchiveError, ConfigError, InputError, MedsegError
from medseg.ledger import Entry
from medseg.ledger.entries import FAILED
from medseg.pacs.archive import Archive
from medseg.pacs.fetching import Fetched, fetch_study
from medseg.pacs.query import Query
from medseg.reporting import Reporter, Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.openings import Openings
from medseg.workflow.pacs_book import FOLDER, open_book
from medseg.workflow.pacs_fetching import Ahead, Came
from medseg.workflow.pacs_left import instances_told, left_of
from medseg.workflow.pacs_sending import Delivery, deliver
from medseg.workflow.pacs_work import Work, ended_in, names_in, purpose_of_query
from medseg.workflow.predicting import predict_listed

if TYPE_CHECKING:
    from medseg.batch import Predictions

__all__ = ["FromArchive", "predict_archive"]

_ROUND = 32  # studies, at most; what is done of them is in the tables


@dataclass(frozen=True, eq=False)
class FromArchive:
    """What such a batch left.

    Args:
        predictions: As of any batch; None where no study was found.
        studies: How many the archive told of.
        unfetched: How many could not be had, because it was gone: the same command goes on.
        delivery: What became of the results; None where they were not to be stored.
        gone: Why the archive could not be reached any more.
    """

    predictions: "Predictions | None"
    studies: int
    unfetched: int = 0
    delivery: Delivery | None = None
    gone: ArchiveError | None = None


def predict_archive(
    model: str | Path,
    archive: Callable[[Callable[[float], object]], Archive],
    asked: Query,
    out: str | Path,
    options: BatchOptions | None = None,
    *,
    series: str | None = None,
    store: bool = False,
    room: int = 10 << 30,
    reporter: Reporter | None = None,
) -> FromArchive:
    """Segment the studies of an archive that a query means; the same call goes on with a run that was killed.

    Studies lie in `out/archive/fetched` until they are done. What comes broken lies in `out/archive/quarantine`, and
    its study is a row of `cases` that has failed; it is fetched again by the same call.

    Args:
        model: As in `medseg.predict`.
        archive: Opens the archive, given what waits between attempts.
        asked: Which studies, and which of their series.
        out: As there.
        options: As there; without `part` and `cluster`.
        series: As there.
        store: Store the DICOM results in the archive.
        room: Bytes of fetched studies on the disk; a single larger study comes alone.
        reporter: Told of the progress.

    Raises:
        ArchiveError: The archive cannot be reached, or refuses, before the first study.
        ConfigError: An option has no meaning here.
        MedsegError: As in `medseg.predict`.
    """
    out, options, reporter = Path(out), options or BatchOptions(), reporter or Silent()
    _require_meaning(options, series)
    stop = threading.Event()
    opened = archive(stop.wait)
    found = sorted(opened.studies(asked), key=lambda one: (one.values.get("StudyDate", ""), one.uid))
    reporter.say(f"{opened.name}: {len(found)} studies")
    with ExitStack() as stack:
        book = stack.enter_context(open_book(out))
        purpose = purpose_of_query(model, options, series, asked)
        kept = opened if store else None
        openings = stack.enter_context(Openings(lasting=True))
        names = names_in(out, options)
        work = Work(Path(model), out, options, reporter, series, purpose, book, names, openings, kept)
        left = left_of(work, found, opened, asked)
        known = {one.uid for one in found} - set(left)
        ahead = Ahead(
            left,
            lambda study: work.fetched / work.names.uid(study),
            lambda study, to: _bring(opened, study, asked, to, work),
            room,
            stop,
        )
        stack.enter_context(closing(ahead))
        told = {one.uid: instances_told(one) for one in found}
        finished = _cases_of(work, [one.uid for one in found if one.uid in known])
        done, failed = _rounds(work, ahead, len(left), told, finished)
        gone = ahead.gone or _store(work, finished)
        delivery = work.delivery if store else None
        return FromArchive(done, len(found), failed, delivery, gone)


def _bring(archive: Archive, study: str, asked: Query, folder: Path, work: Work) -> Fetched:
    """Fetch a study; under pseudonyms nothing is kept of what comes broken, which names the patient."""
    quarantine = work.out / FOLDER / "quarantine"
    try:
        return fetch_study(archive, study, asked, folder, quarantine)
    finally:
        if work.options.pseudonyms is not None:
            shutil.rmtree(quarantine / folder.name, ignore_errors=True)


def _require_meaning(options: BatchOptions, series: str | None) -> None:
    for name in ("part", "cluster"):
        if getattr(options, name):
            raise ConfigError(
                f"--{name}",
                "has no meaning for an archive",
                "Leave it out, or fetch the studies first.",
            )
    if series:
        parse_series_rule(series)


def _rounds(
    work: Work, ahead: Ahead, total: int, told: Mapping[str, str], finished: list[str]
) -> "tuple[Predictions | None, int]":
    """Segment what comes, round by round; what the last round left, and how many studies did not come.

    Args:
        work: The batch.
        ahead: Fetches.
        total: Studies that it fetches.
        told: How many instances the archive says that each has.
        finished: Cases that were done before; those of the rounds join them.
    """
    done: Predictions | None = None
    unfetched = seen = 0
    while came := ahead.take(_ROUND):
        seen += len(came)
        work.reporter.say(f"Fetched: {seen} of {total} studies")
        done, cases = _round(work, came, finished)
        for one in came:
            own = cases[one.study]
            finished += own
            if one.error is None:
                instances = map(work.names.uid, one.instances)
                work.book.enter(work.names.uid(one.study), work.purpose, own, instances, told[one.study])
            unfetched += isinstance(one.error, ArchiveError)
            ahead.release(one, keep=ahead.gone is not None and isinstance(one.error, ArchiveError))
        _store(work, [case for own in cases.values() for case in own])
    if done is None and finished:
        done, _ = _round(work, [], finished)
    return done, unfetched


def _cases_of(work: Work, studies: Sequence[str]) -> list[str]:
    """The cases of studies that were done before."""
    done = work.book.done(work.purpose)
    return [case for study in studies for case in done.get(work.names.uid(study), ())]


def _round(work: Work, came: Sequence[Came], finished: Collection[str]) -> "tuple[Predictions, dict[str, list[str]]]":
    """Segment studies; the tables hold all that is finished."""
    rule = parse_series_rule(work.series) if work.series else None
    root = work.fetched
    owner: dict[str, str] = {}
    again: list[str] = []  # both are told by the listing

    def listing(channels: int) -> list[Case]:
        found: list[Case] = []
        for one in came:
            cases = [] if one.error else cases_below([one.folder], root, Silent(), channels=channels, series=rule)
            if not cases:
                nothing = InputError(work.names.uid(one.study), "holds no image", "Ask for other series.")
                name = work.names.uid(one.study)
                cases = [Case(name, name, (one.folder,), refusal=one.error or nothing)]
            owner.update({case.id: one.study for case in cases})
            again.extend(work.names.case(case.id) for case in cases if one.study in work.again)
            found += cases
        return [*_before(work, finished), *found]  # UIDs make names that differ

    options = replace(work.options, redo=again)  # of this round alone: the files of earlier ones are gone
    done = predict_listed(work.model, listing, work.out, options, work.reporter, work.openings)
    cases: dict[str, list[str]] = {one.study: [] for one in came}
    for name, study in owner.items():
        cases[study].append(work.names.case(name))
    return done, cases


def _before(work: Work, finished: Collection[str]) -> list[Case]:
    """The cases of earlier rounds, whose files are gone: what failed among them fails as it did."""
    wanted = set(finished)
    return [
        Case(
            entry.case,
            entry.patient,
            tuple(map(Path, entry.images)),
            columns=entry.columns,
            refusal=_as_it_was(entry) if entry.state == FAILED else None,
        )
        for entry in ended_in(work.out).values()
        if entry.case in wanted
    ]


def _as_it_was(entry: Entry) -> MedsegError:
    error = MedsegError(entry.case, entry.error, entry.advice)
    error.args, error.mend = (entry.error,), entry.advice
    return error


def _store(work: Work, cases: Collection[str]) -> ArchiveError | None:
    """Send results of these cases, and of no others in OUT; where the archive is gone they wait for the end."""
    if work.store is None:
        return None
    try:
        told = deliver(work.out, work.store, work.book, set(cases))
    except ArchiveError as error:
        work.reporter.say(f"Not stored yet: {error}")
        return error
    work.delivery.sent += told.sent
    work.delivery.there += told.there
    work.delivery.refused.update(told.refused)
    return None
