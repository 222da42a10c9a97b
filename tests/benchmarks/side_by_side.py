"""Two programs on the same work, turn about, each time in a fresh process; one table, and the same figures as JSON.

A benchmark lists its `Work`s and calls `main`. A side is a function of the folder with the work's files; what it
returns is kept until its memory has been measured.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

Side = Callable[[Path], Any]


@dataclass(frozen=True)
class Work:
    """One thing that both sides do.

    Args:
        name: What it is.
        peer: Who the other side is.
        ours: Our way.
        theirs: The peer's way.
        goal: Largest ratio of times, ours / peer, that we mean to keep.
        note: Given the seconds, what else to say, such as files a second.
    """

    name: str
    peer: str
    ours: Side
    theirs: Side
    goal: float
    note: Callable[[float], str] = lambda seconds: ""


def main(works: Sequence[Work], prepare: Callable[[Path], None], script: str) -> None:
    """Run from the command line: all works, or (in the processes that it starts) one side of one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes a side; at least 5 for a figure")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", default="", help="works whose name contains this")
    parser.add_argument("--one", nargs=3, metavar=("NUMBER", "SIDE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        number, side, folder = options.one
        work = works[int(number)]
        sys.stdout.write(json.dumps(_measured(work.ours if side == "ours" else work.theirs, Path(folder))) + "\n")
        return
    chosen = [(i, work) for i, work in enumerate(works) if options.only in work.name]
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        rows = [_compared(number, work, options.rounds, Path(name), script) for number, work in track(chosen)]
    _show(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _measured(side: Side, folder: Path) -> dict[str, float]:
    """The second run's time, the files being in the system's cache; the first run's memory above what it began with.

    Peak memory never falls within a process, so that only the first run can show it.
    """
    with suppress(OSError):  # where the kernel allows it, what importing took for a while is forgotten
        Path("/proc/self/clear_refs").write_text("5")
    before = _memory_mib("VmRSS")
    kept = side(folder)
    peak = _memory_mib("VmHWM") - before
    del kept
    begin = time.perf_counter()
    side(folder)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "peak_mib": peak}


def _memory_mib(name: str) -> float:
    """What the kernel says of this process; the older `getrusage` would begin with its parent's peak."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def _compared(number: int, work: Work, rounds: int, folder: Path, script: str) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for side, results in found.items():
            command = [sys.executable, script, "--one", str(number), side, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
    seconds = {side: statistics.median(one["seconds"] for one in results) for side, results in found.items()}
    peak = {side: statistics.median(one["peak_mib"] for one in results) for side, results in found.items()}
    return {
        "work": work.name,
        "peer": work.peer,
        "ours_s": round(seconds["ours"], 4),
        "peer_s": round(seconds["theirs"], 4),
        "ratio": round(seconds["ours"] / seconds["theirs"], 3),
        "goal": work.goal,
        "ours_peak_mib": round(peak["ours"], 1),
        "peer_peak_mib": round(peak["theirs"], 1),
        "note": work.note(seconds["ours"]),
    }


def _show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title="Medians, turn about, each in a fresh process; ratio and goal are ours / peer")
    for name in rows[0]:
        table.add_column(name, justify="right" if isinstance(rows[0][name], float) else "left")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=170).print(table)
