"""What a cluster costs beside its work: tasks that do nothing, then tiny cases, on workers of this machine.

    python tests/benchmarks/scheduler.py --work DIR [--tasks 10000] [--cases 1000] [--tables 10000 50000]
        [--workers 2] [--json FILE]

tasks: that many, each answered at once, through the same bounded flights and with the same messages as cases: wall and
processor time of this side (client and scheduler share its process), its resident memory when a tenth, half and
all was done. cases: generated volumes of 24×20×8 by Otsu's method, `medseg.predict` in this process (`jobs=0`) and with
`cluster="local"`, from the second case that ends to the last, so without start-up; bytes of ledger and tables a case,
and time for the tables at the end. Last four volumes of 21 MB by the same method: seconds a GB of voxels by stage.
"""

import argparse
import json
import os
import resource
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table

import medseg
from medseg.batch import export
from medseg.case import Case
from medseg.ledger import read_ledger
from medseg.line.groups import Job
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening
from medseg.line.outcomes import Outcome
from medseg.line.tasks import Finishing
from medseg.reporting import Silent
from medseg.scale import Dispatch, Fleet, assembled
from medseg.scale.terms import Chore, Terms

SHAPE = (24, 20, 8)
LARGE = (256, 256, 160)


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = [*([_tasks(options)] if options.tasks else []), *_cases(options), *_tables(options), _large(options)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    table = Table("work", "figures", title=f"{options.workers} workers on {os.cpu_count()} cores")
    for row in rows:
        table.add_row(row["work"], ", ".join(f"{key} {value}" for key, value in row.items() if key != "work"))
    Console(width=160, file=sys.stdout).print(table)


class _Book:
    """Counts what ends, and looks at the memory of this process on the way."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.mib = total, 0, list[float]()

    def began(self, cases: Sequence[Case]) -> None:
        """Nothing: entering is measured with the cases."""

    def lost(self, case: Case) -> None:
        """Never here."""
        raise AssertionError(case.id)

    def given_back(self, cases: Sequence[Case]) -> None:
        """Never here."""
        assert not cases

    def dropped(self, cases: Sequence[Case]) -> None:
        """Never here."""
        assert not cases

    def ended(self, outcome: Outcome) -> None:
        """Another one."""
        self.done += 1
        if self.done in (self.total // 10, self.total // 2, self.total):
            self.mib.append(psutil.Process().memory_info().rss / 2**20)

    def there(self) -> bool:
        """It is."""
        return True

    def wait(self, error: Exception) -> None:
        """Never here."""
        raise error


class _Idle(Fleet):
    """Workers that answer at once."""

    def submit(self, chore: Chore) -> Any:
        return self.client.submit(_nothing, self.terms, chore, key=f"nothing-{chore.serial}", pure=False)


def _nothing(terms: Terms, chore: Chore) -> list[Outcome]:
    return [
        Outcome(job.number, job.case, {"reading": 0.1, "network": 0.1}, count=3, regions=bytes(2000))
        for job in chore.jobs
    ]


def _tasks(options: argparse.Namespace) -> dict[str, Any]:
    out = options.work / "tasks"
    with assembled("local", out, jobs=options.workers, limits=Limits(), reporter=Silent()) as muster:
        fleet, facts = muster.opened(Opening(Path("classical:otsu"), {}))
        assert isinstance(facts, Facts)
        idle = _Idle(fleet.client, fleet.terms, facts)
        path = (Path("studies") / "a_folder_of_some_length" / "image.nii.gz",)
        jobs = [[Job(number, Case(f"case{number:07d}", f"patient{number}", path))] for number in range(options.tasks)]
        book, interrupts = _Book(options.tasks), Interrupts()
        dispatch = Dispatch(idle, Finishing(out), Limits(), book, interrupts, Silent())
        wall, spent = time.perf_counter(), _cpu()
        dispatch.run(jobs)
        wall, spent = time.perf_counter() - wall, _cpu() - spent
    assert book.done == options.tasks
    return {
        "work": f"{options.tasks} tasks that do nothing",
        "wall_ms_a_task": round(1e3 * wall / options.tasks, 2),
        "cpu_ms_a_task_of_this_side": round(1e3 * spent / options.tasks, 2),
        "tasks_a_second": round(options.tasks / wall),
        "rss_mib_at_a_tenth": round(book.mib[0]),
        "rss_mib_at_the_half": round(book.mib[1]),
        "rss_mib_at_the_end": round(book.mib[2]),
        "load": round(os.getloadavg()[0], 1),
    }


class _Clock(Silent):
    """When the second case ended, and the last."""

    def __init__(self) -> None:
        self.first, self.last, self.cpu, self.spent = (0, 0.0), (0, 0.0), 0.0, 0.0

    def advance(self, text: str, done: float, total: float, note: str = "") -> None:
        if done == 2:
            self.first, self.cpu = (int(done), time.perf_counter()), _cpu()
        self.last, self.spent = (int(done), time.perf_counter()), _cpu() - self.cpu


def _cases(options: argparse.Namespace) -> list[dict[str, Any]]:
    studies = options.work / f"studies{options.cases}"
    if not studies.is_dir():
        studies.mkdir()
        rng = np.random.default_rng(1)
        for number in range(options.cases):
            voxels = rng.normal(0, 1, SHAPE).astype(np.float32)
            voxels[8:14, 6:12, 2:6] += 8
            nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), studies / f"case{number:07d}.nii.gz")
    rows = []
    for name, given in (("in this process", {"jobs": 0}), ("cluster", {"cluster": "local", "jobs": options.workers})):
        out, clock = options.work / "out", _Clock()
        shutil.rmtree(out, ignore_errors=True)
        began = time.perf_counter()
        medseg.predict("classical:otsu", studies, out, reporter=clock, **given)
        whole = time.perf_counter() - began
        count, seconds = clock.last[0] - clock.first[0], clock.last[1] - clock.first[1]
        with read_ledger(out) as ledger:
            began = time.perf_counter()
            export(out, ledger)
            tables = time.perf_counter() - began
        sizes = {path.name: path.stat().st_size / options.cases for path in out.iterdir() if path.is_file()}
        rows.append(
            {
                "work": f"{options.cases} tiny cases, {name}",
                "wall_ms_a_case": round(1e3 * seconds / count, 1),
                "cpu_ms_a_case_of_this_side": round(1e3 * clock.spent / count, 1),
                "start_up_s": round(whole - seconds, 1),
                "tables_ms_a_case": round(1e3 * tables / options.cases, 2),
                "ledger_kib_a_case": round(sizes["ledger.sqlite"] / 1024, 2),
                "tables_kib_a_case": round(
                    sum(size for file, size in sizes.items() if file.endswith(".csv")) / 1024, 2
                ),
                "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "load": round(os.getloadavg()[0], 1),
            }
        )
    return rows


def _tables(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time and memory of writing the tables of ever more cases: those that were done, again and again."""
    rows = []
    for cases in options.tables:
        out = options.work / "tables"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        shutil.copy(options.work / "out" / "ledger.sqlite", out)
        with closing(sqlite3.connect(out / "ledger.sqlite")) as connection, connection:
            connection.execute("CREATE TEMP TABLE seed AS SELECT * FROM cases")
            columns = [row[1] for row in connection.execute("PRAGMA table_info(cases)")]
            fixed = ", ".join(f'"{name}"' for name in columns if name not in ("case", "number"))
            for start in range(options.cases, cases, options.cases):
                names = f"'{start}-' || \"case\", number + {start}"
                connection.execute(f'INSERT INTO cases ("case", number, {fixed}) SELECT {names}, {fixed} FROM seed')
        before, spent = psutil.Process().memory_info().rss, _cpu()
        with read_ledger(out) as ledger:
            done = export(out, ledger)
        rows.append(
            {
                "work": f"tables of {len(done.cases)} cases",
                "cpu_s": round(_cpu() - spent, 1),
                "grown_mib": round((psutil.Process().memory_info().rss - before) / 2**20),
                "mib": round(sum(path.stat().st_size for path in out.glob("*.csv")) / 2**20, 1),
                "ledger_mib": round((out / "ledger.sqlite").stat().st_size / 2**20, 1),
            }
        )
    return rows


def _large(options: argparse.Namespace) -> dict[str, Any]:
    """Processor seconds a GB of voxels, by stage: what a case costs that is not tiny."""
    studies, out = options.work / "large", options.work / "large_out"
    shutil.rmtree(out, ignore_errors=True)
    if not studies.is_dir():
        studies.mkdir()
        rng = np.random.default_rng(2)
        for number in range(4):
            voxels = rng.normal(-900, 30, LARGE).astype(np.int16)
            voxels[60:90, 60:90, 40:60] = 60
            nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.8, 0.8, 1.5, 1.0])), studies / f"ct{number}.nii.gz")
    spent = _cpu()
    medseg.predict("classical:otsu", studies, out, jobs=0)
    spent, gigabytes = _cpu() - spent, 4 * 2 * float(np.prod(LARGE)) / 1e9
    stages = pd.read_csv(out / "timings.csv")[["reading_s", "network_s", "writing_s"]].sum() / gigabytes
    return {
        "work": f"4 volumes of {'×'.join(map(str, LARGE))}, in this process",
        "cpu_s_a_gb": round(spent / gigabytes, 1),
        **{f"{name}_a_gb": round(value, 1) for name, value in stages.items()},
        "written_mb_a_gb": round(sum(path.stat().st_size for path in out.glob("ct*/*")) / 1e6 / gigabytes, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu() -> float:
    """Processor seconds of this process, all its threads together."""
    return time.process_time()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="Folder for studies and outputs.")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--tables", type=int, nargs="*", default=[10_000, 50_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
