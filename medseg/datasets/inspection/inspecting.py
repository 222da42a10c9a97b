"""Every case of a data set read once, one or several at a time, and then all of them compared."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

from medseg.case import Case
from medseg.datasets.dataset import Dataset
from medseg.datasets.inspection.comparing import compared
from medseg.datasets.inspection.facts import CaseFacts
from medseg.datasets.inspection.findings import Finding
from medseg.datasets.inspection.inspection import Inspection
from medseg.datasets.inspection.one_case import facts_of
from medseg.errors import MedsegError
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["Progress", "inspect_dataset"]

Progress = Callable[[Sequence[Case]], Iterable[Case]]


def inspect_dataset(
    dataset: Dataset,
    progress: Progress | None = None,
    options: ReadOptions | None = None,
    *,
    jobs: int = 1,
    thumbnails: int | None = None,
) -> Inspection:
    """Read every image and mask of a data set.

    Args:
        dataset: What `open_dataset` found, or `survey_dataset`, whose problems become findings.
        progress: Wraps the cases to show how far it has come; must yield each of them.
        options: How to read, where there is a choice.
        jobs: Cases read at a time; each holds one case in memory.
        thumbnails: Rows of a small picture of each case, where they are wanted.

    Returns:
        Facts of every case. What cannot be read or does not fit is a finding there, never an exception.
    """
    facts = _read(dataset, progress, options, jobs, thumbnails)
    stated = [Finding("layout", _without_mend(one), mend=one.mend) for one in dataset.problems]
    own = [finding for one in facts for finding in one.findings]
    return Inspection(dataset, facts, (*stated, *own, *compared(dataset, facts)))


def _read(
    dataset: Dataset, progress: Progress | None, options: ReadOptions | None, jobs: int, height: int | None
) -> tuple[CaseFacts, ...]:
    """Facts of every case in order; several at a time by processes, as Python catches warnings in one thread alone."""
    cases = (progress or iter)(dataset.cases)
    if jobs == 1 or len(dataset.cases) < 2:
        return tuple(_guarded(case, dataset.labels, options, height) for case in cases)
    results = _in_processes(dataset.cases, (dataset.labels, options, height), jobs)
    return tuple(found for _case, found in zip(cases, results, strict=True))


def _in_processes(
    cases: Sequence[Case], how: tuple[Labels | None, ReadOptions | None, int | None], jobs: int
) -> Iterator[CaseFacts]:
    """Facts of the cases in order. Where a case takes its process down, the rest are read one in a process."""
    from joblib import Parallel, delayed

    done = 0
    try:
        for found in Parallel(n_jobs=jobs, return_as="generator")(delayed(_guarded)(case, *how) for case in cases):
            done += 1
            yield found
    except BrokenProcessPool:
        for case in cases[done:]:
            try:
                yield from Parallel(n_jobs=2)([delayed(_guarded)(case, *how)])
            except BrokenProcessPool:
                yield _crashed(case, "reading ended its process: out of memory, or a defect")


def _guarded(case: Case, labels: Labels | None, options: ReadOptions | None, height: int | None) -> CaseFacts:
    try:
        return facts_of(case, labels, options, height)
    except Exception as error:  # a defect of ours in one case must not cost the other cases
        return _crashed(case, f"reading failed: {type(error).__name__}: {error}")


def _crashed(case: Case, text: str) -> CaseFacts:
    return CaseFacts(case, findings=(Finding("crash", text, (case.id,), mend="Tell us, with the file."),))


def _without_mend(error: MedsegError) -> str:
    return str(error).removesuffix(error.mend).strip()
