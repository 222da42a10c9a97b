"""How long a command takes, and how much memory it and its children hold at most."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "run_measured"]

_EVERY_S = 0.1


@dataclass(frozen=True)
class Measured:
    """What a command took: seconds, and the largest sum of its processes' proportional set sizes in MiB."""

    seconds: float
    peak_mib: float


def run_measured(command: Sequence[str], env: Mapping[str, str], log: Path) -> Measured:
    """Run a command to its end; shared pages count once (PSS), so that forked workers are not held against anyone.

    Raises:
        SystemExit: The command failed; the end of its log is shown.
    """
    began, peak = time.perf_counter(), 0.0
    with (
        log.open("w") as out,
        subprocess.Popen(command, env=dict(env), stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        while process.poll() is None:
            peak = max(peak, sum(_pss_mib(pid) for pid in _tree(process.pid)))
            time.sleep(_EVERY_S)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{log.read_text()[-3000:]}")
    return Measured(time.perf_counter() - began, peak)


def _tree(root: int) -> list[int]:
    """The process and all its descendants."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended meanwhile
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def _pss_mib(pid: int) -> float:
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0
