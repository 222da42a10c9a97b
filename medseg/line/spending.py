"""What work costs: seconds, and the most memory that its process held meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Spent", "spending"]

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass
class Spent:
    """Of one piece of work.

    Args:
        seconds: That it took.
        peak_mib: The most resident memory of the whole process meanwhile, MiB; None where the system does not say.
    """

    seconds: float = 0.0
    peak_mib: float | None = None


@contextmanager
def spending() -> Iterator[Spent]:
    """Measures the block, also where it raises; the figures are there when it has ended."""
    spent = Spent()
    with suppress(OSError):
        _RESET.write_text("5")  # Linux: the process's high-water mark begins anew, see proc(5)
    began = time.perf_counter()
    try:
        yield spent
    finally:
        spent.seconds = time.perf_counter() - began
        spent.peak_mib = _high_water()


def _high_water() -> float | None:
    with suppress(OSError, ValueError, StopIteration), _STATUS.open(encoding="ascii", errors="replace") as lines:
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    return None
