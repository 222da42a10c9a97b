"""Runs that are killed, and a disk that fills: every byte has to be that of an undisturbed run.

    python tests/benchmarks/killed_runs.py --work DIR [--studies 60] [--kills 20] [--model MODEL] [--json FILE]

`medseg predict` on generated studies, one in ten broken (`tests/broken_studies.py`): undisturbed; with its parent
killed (SIGKILL) at random moments, alone and with its whole group in turn, and started again each time; with workers
killed at random moments; and into a small memory file system that is filled to the last byte meanwhile, three times.
When a run has ended before all kills were dealt, it is compared, and the next one begins. Masks, previews and tables
are compared byte for byte, `medseg verify` must be content. The disk needs root (`unshare -m`, a mount that nobody
else sees); without, it is left out and said so. Exit code 1 where anything differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parents[1]))
from broken_studies import write_studies

from medseg.errors import InputError
from medseg.ledger import read_ledger

_ATTEMPTS = 100  # a case may be lost with the run, or its worker, as often as we like to kill
_VOLATILE = ("timings.csv", "ledger.sqlite", "run.json", "run.html")  # these say how the run went
_PATIENCE_S = 600.0


@dataclass
class Trial:
    """A kind of disturbance.

    Args:
        options: Of the command line.
        whole: Files of the undisturbed run.
        seconds: Of the undisturbed run.
        rng: Chooses the moments.
        complaints: What was not as it has to be.
    """

    options: argparse.Namespace
    whole: dict[str, bytes]
    seconds: float
    rng: random.Random
    complaints: list[str] = field(default_factory=list)

    def judge(self, out: Path) -> None:
        """Compare a finished run with the undisturbed one."""
        found = _contents(out)
        wrong = sorted(name for name in {*found, *self.whole} if found.get(name) != self.whole.get(name))
        if wrong:
            self.complaints.append(f"{out.name}: {len(wrong)} files differ: {', '.join(wrong[:8])}")
        checked = subprocess.run(_medseg("verify", out), capture_output=True, text=True)
        if checked.returncode:
            self.complaints.append(f"{out.name}: verify says {(checked.stdout + checked.stderr)[-1500:]}")


def main() -> None:
    options = _options()
    studies = options.work / "studies"
    if not studies.exists():
        write_studies(studies, options.studies, 0.1, options.seed)
    began = time.perf_counter()
    with _running(options, options.work / "whole") as parent:
        code = parent.wait()
    rows: list[dict[str, Any]] = []
    seconds, whole = time.perf_counter() - began, _contents(options.work / "whole")
    complaints = [] if code == 1 else [f"the undisturbed run ended with exit code {code}"]
    for name, disturb in (("parent", _kill_parents), ("workers", _kill_workers), ("disk", _fill_disk)):
        if name in options.only:
            trial = Trial(options, whole, seconds, random.Random(f"{options.seed} {name}"))
            rows.append({"disturbed": name, **disturb(trial)})
            complaints += trial.complaints
            _save(options, rows, complaints)
    _show(rows, f"{len(whole)} files of {options.studies} studies, undisturbed in {seconds:.1f} s")
    sys.stdout.write("".join(f"{one}\n" for one in complaints))
    sys.exit(bool(complaints))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="empty folder for studies and results")
    parser.add_argument("--model", default="classical:otsu")
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--kills", type=int, default=20, help="of parents, and as many of workers")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--only", nargs="+", choices=("parent", "workers", "disk"), default=["parent", "workers", "disk"]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--mounted", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mounted is None:
        options.work.mkdir(parents=True, exist_ok=True)
    return options


def _kill_parents(trial: Trial) -> dict[str, Any]:
    """Kill, resume, kill ... until all kills are dealt and the last run has ended."""
    dealt, runs, starts, last = 0, 0, 0, trial.options.kills
    counts: list[int] = []
    while dealt < last:
        out, ended = trial.options.work / f"parent{runs}", False
        runs += 1
        while not ended:
            starts += 1
            with _running(trial.options, out) as parent:
                with suppress(subprocess.TimeoutExpired):
                    parent.wait(trial.rng.uniform(0, trial.seconds) if dealt < last else _PATIENCE_S)
                ended = parent.poll() is not None
                if not ended:
                    alone = dealt % 2 == 0
                    (os.kill if alone else os.killpg)(parent.pid, signal.SIGKILL)
                    parent.wait()
                    dealt += 1
                    trial.complaints += [f"{out.name}: workers outlive their parent"] * _outlived(parent.pid)
                    counts.append(_done(out))
        trial.judge(out)
    return {"times": dealt, "runs": runs, "starts": starts, "done at a kill": f"{min(counts)} to {max(counts)}"}


def _outlived(group: int) -> bool:
    """Whether a process of the group still runs a moment later; what is dead and not yet buried does not."""
    time.sleep(0.2)
    for process in psutil.process_iter(["status"]):
        with suppress(OSError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


def _kill_workers(trial: Trial) -> dict[str, Any]:
    """Any child of the run, at random, from its first finished case on; it is started again where it gives up."""
    dealt, runs, starts, code = 0, 0, 0, 1
    counts: list[int] = []
    while dealt < trial.options.kills or code == 2:
        runs += code != 2
        out = trial.options.work / f"workers{runs}"
        starts += 1
        with _running(trial.options, out) as parent:
            while parent.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    parent.wait(trial.rng.uniform(0, trial.seconds / 4))
                if dealt < trial.options.kills and _done(out) and _kill_one(parent.pid, trial.rng):
                    dealt += 1
                    counts.append(_done(out))
        code = parent.returncode
        if code not in (1, 2):
            trial.complaints.append(f"{out.name}: exit code {code}")
        if code != 2:
            trial.judge(out)
    return {"times": dealt, "runs": runs, "starts": starts, "done at a kill": f"{min(counts)} to {max(counts)}"}


def _kill_one(parent: int, rng: random.Random) -> bool:
    with suppress(psutil.Error):
        children = psutil.Process(parent).children()
        if children:
            rng.choice(sorted(children, key=lambda one: one.pid)).kill()
            return True
    return False


def _fill_disk(trial: Trial) -> dict[str, Any]:
    """In a namespace of its own, where the small disk is mounted."""
    small, told = trial.options.work / "small", trial.options.work / "full.json"
    small.mkdir(exist_ok=True)
    size = max(32 << 20, 2 * sum(map(len, trial.whole.values())))
    inner = [sys.executable, __file__, *sys.argv[1:], "--mounted", str(small)]
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    ended = subprocess.run(["unshare", "-m", "sh", "-c", script, str(small), *inner], capture_output=True, text=True)
    if ended.returncode or not told.exists():
        trial.complaints.append(f"no small disk could be tried: {ended.stderr[-1500:]}")
        return {"times": 0}
    found: dict[str, Any] = json.loads(told.read_text())
    trial.complaints += found.pop("complaints")
    return found


def _mounted(options: argparse.Namespace) -> None:
    """On the small disk: fill it, see that it waits with nothing half-written, give the room back; thrice."""
    out, whole = options.mounted / "out", _contents(options.work / "whole")
    trial = Trial(options, whole, 0.0, random.Random(f"{options.seed} disk"))
    log = options.work / "full.log"
    total, counts, waits = options.studies, [], 0
    with _running(options, out, log) as parent:
        for part in (0.1, 0.4, 0.7):
            _until(lambda part=part: _done(out) >= part * total, parent)
            ballast = _fill(options.mounted)
            waits += 1
            _until(lambda waits=waits: log.read_text().count("Waiting:") >= waits, parent)
            time.sleep(3)
            counts.append(_done(out))
            trial.complaints += [f"half-written: {name}" for name in _halves(out, whole)]
            ballast.unlink()
            _until(lambda waits=waits: log.read_text().count("Going on:") >= waits, parent)
        code = parent.wait()
    if code != 1:
        trial.complaints.append(f"full disk: exit code {code}")
    trial.judge(out)
    told = {"times": waits, "runs": 1, "done at a kill": f"{min(counts)} to {max(counts)} (waiting)"}
    (options.work / "full.json").write_text(json.dumps({**told, "complaints": trial.complaints}))


def _halves(out: Path, whole: dict[str, bytes]) -> list[str]:
    """Files of cases that are not what they will be in the end; tables are written last."""
    found = {name: content for name, content in _contents(out).items() if "/" in name}
    return [
        name for name, content in found.items() if not Path(name).name.startswith(".") and content != whole.get(name)
    ]


def _fill(disk: Path) -> Path:
    """Write until nothing more fits."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        for step in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(step))
    return ballast


def _until(true: Any, parent: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not true():
        if parent.poll() is not None or time.monotonic() > until:
            sys.exit(f"the run ended ({parent.poll()}) or hung before it was disturbed")
        time.sleep(0.05)


@contextmanager
def _running(options: argparse.Namespace, out: Path, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`medseg predict` in a group of processes of its own."""
    words = ("predict", options.model, options.work / "studies", "--out", out)
    words = (*words, "--jobs", options.jobs, "--attempts", _ATTEMPTS)
    with (
        (log or options.work / f"{out.name}.log").open("a") as told,
        subprocess.Popen(_medseg(*words), stdout=told, stderr=told, start_new_session=True) as parent,
    ):
        try:
            yield parent
        finally:
            if parent.poll() is None:
                os.killpg(parent.pid, signal.SIGKILL)


def _medseg(*words: object) -> list[str]:
    return [sys.executable, "-m", "medseg", *map(str, words)]


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(_VOLATILE))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _done(out: Path) -> int:
    try:
        with read_ledger(out) as ledger:
            return ledger.counts().get("done", 0)
    except InputError:
        return 0


def _save(options: argparse.Namespace, rows: list[dict[str, Any]], complaints: list[str]) -> None:
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "complaints": complaints}, indent=1) + "\n")


def _show(rows: list[dict[str, Any]], title: str) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in columns))
    Console(width=160).print(table)


if __name__ == "__main__":
    mounted = _options()
    main() if mounted.mounted is None else _mounted(mounted)
