"""Batches made ahead in threads, and handed out in the order of their steps."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np

from medseg.errors import UnreadableFileError
from medseg.training.batch import Batch
from medseg.training.cache import CachedCase
from medseg.training.patches import PatchSource

__all__ = ["batches_ahead"]


def batches_ahead(
    source: PatchSource, first: int, workers: int = 1, *, pinned: bool = False
) -> Generator[Batch, None, None]:
    """The batches of the steps from `first` on, without end; close the iterator to stop the threads.

    Args:
        source: Makes the batch of a step, whichever thread asks.
        first: The first step.
        workers: Threads; as many batches and one more are under way or ready.
        pinned: Whether batches are put into memory from which a GPU copies while it computes.

    Raises:
        Exception: What making a batch raised, with its own traceback and a note that names the step and its cases.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="medseg-batches")
    try:
        steps = count(first)
        ahead: deque[Future[Batch]] = deque(
            pool.submit(_batch, source, next(steps), pinned) for _ in range(workers + 1)
        )
        while True:
            made = ahead.popleft().result()
            ahead.append(pool.submit(_batch, source, next(steps), pinned))
            yield made
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batch(source: PatchSource, step: int, pinned: bool) -> Batch:
    try:
        for case in source.cases_of(step):
            _require_whole(case)
        made = source.batch(step)
    except Exception as error:
        error.add_note(f"This was while the batch of step {step + 1} was made from {', '.join(source.names(step))}.")
        raise
    return Batch(made.images.pin_memory(), made.targets.pin_memory(), made.judged.pin_memory()) if pinned else made


def _require_whole(case: CachedCase) -> None:
    """Refuse a memory map that is longer than its file now is: to read it would end the process without a word."""
    for array in (case.voxels, case.targets):
        if not isinstance(array, np.memmap) or array.filename is None:
            continue
        path = Path(array.filename)
        found = path.stat().st_size if path.exists() else 0
        if found < array.offset + array.nbytes:
            mend = "The same command prepares it anew and goes on; with unreadable=leave_out it goes on without it."
            raise UnreadableFileError(case.id, f"its prepared file {path} has been cut to {found} bytes", mend)
