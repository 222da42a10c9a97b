"""Files to be de-identified, one by one or by several processes; one that kills its process is an outcome, too."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from medseg.deidentify.one_file import OneFile, Outcome
from medseg.deidentify.originals import Original

__all__ = ["Found", "outcomes"]

Done = tuple[Outcome, Original]
_AHEAD = 8  # files given to each process before the first is done


@dataclass(frozen=True)
class Found:
    """A file to be de-identified, under the pseudonyms of its path, of its folder, and of its size and time."""

    path: Path
    source: str
    folder: str
    state: str


def outcomes(
    files: list[Found], target: Callable[[Found], Path], work: OneFile, workers: int
) -> Iterator[tuple[Found, Done]]:
    """Files and what became of them, in order.

    Args:
        files: All that wait.
        target: Where each is written for now.
        work: What is done.
        workers: How many processes work at once; one is this process.
    """
    if workers == 1:
        yield from ((one, _work(one, target(one), work)) for one in files)
        return
    waiting = deque((one, target(one)) for one in files)
    while waiting:
        try:
            yield from _pooled(waiting, work, workers)
        except BrokenProcessPool:
            one, place = waiting[0]
            yield one, _alone(one, place, work)
            waiting.popleft()


def _pooled(waiting: deque[tuple[Found, Path]], work: OneFile, workers: int) -> Iterator[tuple[Found, Done]]:
    """The same by several processes; what is done is taken from those that wait."""
    under_way: deque[Future[Done]] = deque()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            while waiting:
                for one, place in islice(waiting, len(under_way), workers * _AHEAD):
                    under_way.append(pool.submit(_work, one, place, work))
                row = under_way.popleft().result()
                yield waiting[0][0], row
                waiting.popleft()
        finally:
            for future in under_way:
                future.cancel()


def _alone(one: Found, place: Path, work: OneFile) -> Done:
    """A file in a process of its own, after some process died: if this dies too, the file is why."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_work, one, place, work).result()
        except BrokenProcessPool:
            place.unlink(missing_ok=True)
            reason = "its process died: too large for the memory, or its pixels are broken"
            return Outcome(one.source, "failed", reason), Original()


def _work(one: Found, place: Path, work: OneFile) -> Done:
    row, original = work.deidentify(one.path, (one.source, one.folder), place)
    if row.outcome == "done":
        fd = os.open(place, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    return row, original
