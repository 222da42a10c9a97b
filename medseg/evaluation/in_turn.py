"""Cases worked on one by one, or several at a time where that is quicker; results in order, failures as values."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from medseg.errors import MedsegError
from medseg.reporting import Reporter

__all__ = ["Failed", "in_turn"]

_PATIENCE = 5.0  # seconds that are left, from which on starting processes pays
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Failed:
    """Why something could not be done."""

    reason: str


def in_turn(
    work: Callable[[T], R], items: Sequence[T], jobs: int | None, reporter: Reporter, text: str
) -> Iterator[R | Failed]:
    """Do the work for each item.

    Args:
        work: Raises where an item cannot be done. It and what it returns can be pickled.
        items: To be worked on.
        jobs: How many at a time; one a processor where left out.
        reporter: Shows how many are done.
        text: What it calls the work.

    Yields:
        What the work returns, or why it failed, in the order of the items.
    """
    results = _results(work, items, jobs)
    for _item, result in zip(reporter.track(items, text, len(items)), results, strict=True):
        yield result


def _results(work: Callable[[T], R], items: Sequence[T], jobs: int | None) -> Iterator[R | Failed]:
    began = time.monotonic()
    for number, item in enumerate(items):
        rest = len(items) - number
        if number == 1:
            began = time.monotonic()  # the first also loads the libraries
        elif jobs != 1 and rest > 1 and (time.monotonic() - began) / max(number - 1, 1) * rest > _PATIENCE:
            yield from _in_processes(work, items[number:], jobs)
            return
        yield _tried(work, item)


def _tried(work: Callable[[T], R], item: T) -> R | Failed:
    try:
        return work(item)
    except MedsegError as error:
        return Failed(str(error))
    except Exception as error:  # whatever one case does, the others are scored
        return Failed(f"unexpected {type(error).__name__}: {error}")


def _in_processes(work: Callable[[T], R], items: Sequence[T], jobs: int | None) -> Iterator[R | Failed]:
    """Results in order. Where an item takes its process down, the rest are tried one in a process."""
    from joblib import Parallel, cpu_count, delayed

    done = 0
    workers = min(jobs or cpu_count(), len(items))
    try:
        for result in Parallel(n_jobs=workers, return_as="generator")(delayed(_tried)(work, item) for item in items):
            done += 1
            yield result
    except BrokenProcessPool:
        for item in items[done:]:
            try:
                yield from Parallel(n_jobs=2)([delayed(_tried)(work, item)])
            except BrokenProcessPool:
                yield Failed("working on it ended its process: out of memory, or a defect")
