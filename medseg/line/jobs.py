"""Whether a batch is worth processes of its own, which take a second or two to start."""

import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

from medseg import address, room
from medseg.case import Case

__all__ = ["jobs_for"]

_FEW_CASES = 16  # below this, small cases are done sooner than processes are started
_SMALL_BYTES = 64 << 20
_CORES_EACH = 8  # of a machine with many, one process more of each kind for so many
_MOST = 4


def jobs_for(cases: Sequence[Case], wanted: int | None) -> int:
    """Processes that read, and as many that write; 0 where this one does everything.

    Args:
        cases: What is to be worked through.
        wanted: What the user asked for; None decides by the number of the cases and the size of their files.
    """
    if not _possible(cases) or wanted == 0:
        return 0
    if wanted is not None:
        return wanted
    if len(cases) < 2 or (len(cases) < _FEW_CASES and not _larger(cases, _SMALL_BYTES)):
        return 0
    return min(_MOST, 1 + (os.cpu_count() or 1) // _CORES_EACH)


def _possible(cases: Sequence[Case]) -> bool:
    """Whether other processes can be started here and understand the cases."""
    if not room.shareable() or not sys.executable or any(type(case).__module__ == "__main__" for case in cases):
        return False
    try:
        pickle.dumps(list(cases))
    except Exception:  # whatever a case of anybody's class raises when it is pickled
        return False
    return True


def _larger(cases: Sequence[Case], size: int) -> bool:
    """Whether the files of the cases hold more bytes than that; no more of them are looked at than it takes."""
    total = 0
    for case in cases:
        for path in case.images:
            for file in _files(address.split(path)[0]):
                total += file.stat().st_size
                if total > size:
                    return True
    return False


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file()]
    return [path] if path.is_file() else []
