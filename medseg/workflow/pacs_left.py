"""Which studies of an archive are still to be done, or have become others since they were."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from medseg.batch.resuming import intact_in
from medseg.case import Case
from medseg.ledger.entries import DONE, FAILED
from medseg.pacs.archive import Archive
from medseg.pacs.query import Found, Query
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.pacs_work import Work, ended_in

__all__ = ["asked_again", "instances_told", "left_of", "stays_in"]


def left_of(work: Work, found: Sequence[Found], archive: Archive, asked: Query) -> list[str]:
    """The studies to be done, those whose files are here already before the others; what else is here is removed.

    A study of which the archive tells another number of instances than before is looked at: what we have stored there
    ourselves makes it no other one.

    Args:
        work: The batch.
        found: The studies that are meant.
        archive: Has them.
        asked: Which of their series are meant.

    Raises:
        ArchiveError: It cannot be asked.
        ConfigError: A case that is to be done again is none of theirs.
    """
    done = work.book.done(work.purpose)
    uid, case = work.names.uid, work.names.case
    work.again.update(
        asked_again(work.options, {one.uid: done.get(uid(one.uid), [case(uid(one.uid))]) for one in found})
    )
    stays = stays_in(work.out, work.options)

    def is_left(study: Found) -> bool:
        cases = done.get(work.names.uid(study.uid))
        if study.uid in work.again or cases is None:
            return True
        return not all(map(stays, cases)) or _has_changed(work, study, archive, asked)

    left = [study.uid for study in found if is_left(study)]
    wanted = {work.names.uid(study) for study in left}
    for folder in work.fetched.glob("*"):
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)
    return sorted(left, key=lambda study: not (work.fetched / work.names.uid(study)).is_dir())


def asked_again(options: BatchOptions, cases: Mapping[str, Sequence[str]]) -> set[str]:
    """The studies that the user wants done again, all of them or for a case of theirs.

    Args:
        options: What the user said.
        cases: Of each study; of one that never came the case of its name.

    Raises:
        ConfigError: There is no such case.
    """
    redone = options.redone([Case(case, case, ()) for own in cases.values() for case in own])
    if isinstance(redone, bool):
        return set(cases) if redone else set()
    return {study for study, own in cases.items() if redone & set(own)}


def stays_in(out: Path, options: BatchOptions) -> Callable[[str], bool]:
    """Whether what came of a case that was done stays as it is."""
    entries, intact = ended_in(out), intact_in(out)

    def stays(case: str) -> bool:
        entry = entries.get(case)
        if entry is None or (entry.state == DONE and not intact(entry)):
            return False
        return entry.state != FAILED or not options.retry_failed

    return stays


def instances_told(study: Found) -> str:
    """How many instances an archive says that a study has; "" where it does not."""
    return study.values.get("NumberOfStudyRelatedInstances", "")


def _has_changed(work: Work, study: Found, archive: Archive, asked: Query) -> bool:
    name, told = work.names.uid(study.uid), instances_told(study)
    if told == work.book.told(name):
        return False
    now = {
        work.names.uid(uid)
        for series in archive.series(study.uid, asked)
        if asked.has_series(series.values)
        for uid in archive.instances(study.uid, series.uid)
    }
    if now == work.book.instances(name):
        work.book.retell(name, told)
        return False
    return True
