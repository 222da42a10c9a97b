"""A batch whose studies lie in an archive: fetched ahead, segmented in rounds, removed when done, results stored."""

import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.batch.resuming import intact_in
from medseg.case import Case
from medseg.datasets import cases_below, parse_series_rule
from medseg.errors import ArchiveError, ConfigError, InputError, MedsegError
from medseg.ledger import Entry, digest, read_ledger
from medseg.ledger.entries import DONE, ENDED, FAILED
from medseg.ledger.fingerprints import Listing as Signs
from medseg.pacs.archive import Archive
from medseg.pacs.fetching import fetch_study
from medseg.pacs.query import Query
from medseg.pseudonyms import Pseudonyms
from medseg.reporting import Reporter, Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.pacs_book import FOLDER, Book, open_book
from medseg.workflow.pacs_fetching import Ahead, Came
from medseg.workflow.pacs_sending import Delivery, deliver
from medseg.workflow.predicting import predict_listed

if TYPE_CHECKING:
    from medseg.batch import Predictions

__all__ = ["FromArchive", "predict_archive", "purpose_of"]

_ROUND = 32  # studies that are segmented by one start of the model, at most
_HARMLESS = {"command", "jobs", "attempts", "timeout", "memory_limit", "retry_failed", "redo", "cluster"}


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


@dataclass(frozen=True)
class _Work:
    """What the rounds have in common."""

    model: Path
    out: Path
    options: BatchOptions
    reporter: Reporter
    series: str | None
    purpose: str
    book: Book
    key: Callable[[str], str]
    case_name: Callable[[str], str]
    store: Archive | None = None
    delivery: Delivery = field(default_factory=Delivery)


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
        options: As there; without `part`, `redo` and `cluster`.
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
    found = opened.studies(asked)
    studies = [one.uid for one in sorted(found, key=lambda one: (one.values.get("StudyDate", ""), one.uid))]
    reporter.say(f"{opened.name}: {len(studies)} studies")
    with ExitStack() as stack:
        book = stack.enter_context(open_book(out))
        key, case_name = _names(options, out)
        purpose = purpose_of(Path(model), options, {"series": series, "asked": dict(asked.series)})
        kept = opened if store else None
        work = _Work(Path(model), out, options, reporter, series, purpose, book, key, case_name, kept)
        left = _left(work, studies)
        folder = out / FOLDER
        ahead = Ahead(
            left,
            lambda study: folder / "fetched" / key(study),
            lambda study, to: fetch_study(opened, study, asked, to, folder / "quarantine"),
            room,
            stop,
        )
        stack.enter_context(closing(ahead))
        done, failed = _rounds(work, ahead, len(left), known=[study for study in studies if study not in set(left)])
        gone = ahead.gone or _store(work, None)
        delivery = work.delivery if store else None
        return FromArchive(done, len(studies), failed, delivery, gone)


def purpose_of(model: Path, options: BatchOptions, more: Any) -> str:
    """By what it is known that a study is done: the model's files, and everything that can change a result."""
    how = {key: value for key, value in asdict(options).items() if key not in _HARMLESS}
    files = Signs()(model) if model.exists() else str(model)
    return digest({"model": files, "how": how, "more": more})


def _require_meaning(options: BatchOptions, series: str | None) -> None:
    for name in ("part", "redo", "cluster"):
        if getattr(options, name):
            raise ConfigError(f"--{name}", "has no meaning for an archive", "Leave it out, or fetch the studies first.")
    if series:
        parse_series_rule(series)


def _names(options: BatchOptions, out: Path) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """What a study, and a case, is called in OUT."""
    if options.pseudonyms is None:
        return str, str
    known = Pseudonyms.from_file(options.pseudonyms, apart_from=[out])
    return lambda study: known.of("study", study), lambda case: known.of("case", case)


def _left(work: _Work, studies: Sequence[str]) -> list[str]:
    """The studies that are still to be done, those whose files are here already before the others."""
    done = work.book.done(work.purpose)
    entries, intact = _entries(work.out), intact_in(work.out)

    def stays(case: str) -> bool:
        entry = entries.get(case)
        if entry is None or (entry.state == DONE and not intact(entry)):
            return False
        return entry.state != FAILED or not work.options.retry_failed

    def is_done(study: str) -> bool:
        cases = done.get(work.key(study))
        return cases is not None and all(map(stays, cases))

    left = [study for study in studies if not is_done(study)]
    fetched = work.out / FOLDER / "fetched"
    wanted = {work.key(study) for study in left}
    for folder in fetched.glob("*"):
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)
    return sorted(left, key=lambda study: not (fetched / work.key(study)).is_dir())


def _rounds(work: _Work, ahead: Ahead, total: int, known: Sequence[str]) -> "tuple[Predictions | None, int]":
    """Segment what comes, round by round; what the last round left, and how many studies did not come."""
    done: Predictions | None = None
    unfetched = seen = 0
    finished = [case for study in known for case in work.book.done(work.purpose).get(work.key(study), ())]
    while came := ahead.take(_ROUND):
        seen += len(came)
        work.reporter.say(f"Fetched: {seen} of {total} studies")
        done, cases = _round(work, came, finished)
        for one in came:
            own = cases[one.study]
            finished += own
            if one.error is None:
                work.book.enter(work.key(one.study), work.purpose, own, one.instances)
            unfetched += isinstance(one.error, ArchiveError)
            ahead.release(one, keep=ahead.gone is not None and isinstance(one.error, ArchiveError))
        _store(work, [case for own in cases.values() for case in own])
    if done is None and finished:
        done, _ = _round(work, [], finished)
    return done, unfetched


def _round(work: _Work, came: Sequence[Came], finished: Collection[str]) -> "tuple[Predictions, dict[str, list[str]]]":
    """Segment studies; the tables hold all that is finished."""
    rule = parse_series_rule(work.series) if work.series else None
    root = work.out / FOLDER / "fetched"
    owner: dict[str, str] = {}

    def listing(channels: int) -> list[Case]:
        found: list[Case] = []
        for one in came:
            cases = [] if one.error else cases_below([one.folder], root, Silent(), channels=channels, series=rule)
            if not cases:
                nothing = InputError(work.key(one.study), "holds no image", "Ask for other series.")
                name = work.key(one.study)
                cases = [Case(name, name, (one.folder,), refusal=one.error or nothing)]
            owner.update({case.id: one.study for case in cases})
            found += cases
        return [*_before(work, finished), *found]  # UIDs make names that differ

    done = predict_listed(work.model, listing, work.out, work.options, work.reporter)
    cases: dict[str, list[str]] = {one.study: [] for one in came}
    for name, study in owner.items():
        cases[study].append(work.case_name(name))
    return done, cases


def _before(work: _Work, finished: Collection[str]) -> list[Case]:
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
        for entry in _entries(work.out).values()
        if entry.case in wanted
    ]


def _as_it_was(entry: Entry) -> MedsegError:
    error = MedsegError(entry.case, entry.error, entry.advice)
    error.args, error.mend = (entry.error,), entry.advice
    return error


def _entries(out: Path) -> dict[str, Entry]:
    with suppress(InputError), read_ledger(out) as ledger:
        return {name: entry for name, entry in ledger.known().items() if entry.state in ENDED}
    return {}


def _store(work: _Work, cases: Collection[str] | None) -> ArchiveError | None:
    """Send results; where the archive is gone they wait for the end, or the same command."""
    if work.store is None:
        return None
    try:
        told = deliver(work.out, work.store, work.book, cases)
    except ArchiveError as error:
        work.reporter.say(f"Not stored yet: {error}")
        return error
    work.delivery.sent += told.sent
    work.delivery.there += told.there
    work.delivery.refused.update(told.refused)
    return None
