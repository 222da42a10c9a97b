"""A batch followed while another process runs it."""

import time
from collections.abc import Iterator
from pathlib import Path

from medseg.errors import InputError
from medseg.workflow.batch_status import status
from medseg.workflow.status_facts import Status

__all__ = ["follow"]

_SHARE = 10  # a look may take a tenth of the time at most, however large the ledger is


def follow(out: str | Path, every: float = 2.0) -> Iterator[Status]:
    """How a batch stands, again and again until nothing runs any more; at least once.

    A folder that is away for a while, as a network drive may be, is looked at again.

    Args:
        out: What `predict` writes.
        every: Seconds between two looks; more where a look takes long.

    Raises:
        InputError: It is no such folder, or its ledger is damaged.
    """
    found = status(out)
    while True:
        yield found
        if not found.at_it:
            return
        cost = 0.0
        while True:
            time.sleep(max(every, _SHARE * cost))
            began = time.perf_counter()
            try:
                found = status(out)
            except InputError:
                if Path(out).is_dir():
                    raise
                continue
            cost = time.perf_counter() - began
            break
