"""A night's run in small: many generated studies, some broken in known ways, and real awkward files, in one command.

    python tests/benchmarks/many_studies.py --work DIR [--studies 1000] [--models classical:otsu trained] [--json FILE]

Half of the good studies are DICOM series, half NIfTI; one in twenty is broken (`tests/broken_studies.py` lists how).
The awkward files are those of `MEDSEG_TEST_DATA`. `trained` is a tiny network, trained here for seconds. `medseg
predict` runs as a user runs it; the resident memory of its parent process is sampled meanwhile. It ends with exit
code 1 where a good study has no mask, a broken one no row or a reason that does not name what is broken, `predict`
another exit code than 1, `medseg verify` a complaint, or the memory grows by more than a tenth while cases go through.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parents[1]))
from broken_studies import Broken, write_good, write_studies

from medseg.errors import InputError
from medseg.ledger import read_ledger

_EVERY_S = 0.25
_GROWTH = 0.1  # of the parent's memory, from the first tenth of the cases to the last
_DATA = Path(os.environ.get("MEDSEG_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
_CONFIG = """
dataset: {data}
out: {out}
modality: CT
labels: {{body: 1}}
epochs: 3
plan: {{patch_size: [24, 24, 12], network: {{features: [4, 8, 8]}}}}
learning: {{steps_per_epoch: 20, validations: 1, precision: fp32}}
"""


@dataclass
class Run:
    """What a command did: its exit code, seconds, and (share of the cases done, MiB of the parent) over time."""

    code: int
    seconds: float
    memory: list[tuple[float, float]]


def main() -> None:
    options = _options()
    studies, wrong = options.work / "studies", options.work / "wrong.json"
    if not studies.exists():
        made = write_studies(studies, options.studies, options.broken, options.seed)
        wrong.write_text(json.dumps({name: way and way.what for name, way in made.items()}))
    ways = {way.what: way for way in _ways()}
    truth = {name: ways.get(what) for name, what in json.loads(wrong.read_text()).items()}
    rows, complaints = [], []
    for model in options.models:
        row, told = _judged(model, studies, truth, options)
        rows.append(row)
        complaints += [f"{model}: {one}" for one in told]
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "complaints": complaints}, indent=1) + "\n")
    _show(rows, "One command for all; memory is the parent's own, resident")
    for one in complaints:
        sys.stdout.write(one + "\n")
    sys.exit(bool(complaints))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for studies and results")
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--broken", type=float, default=0.05, help="part of them that is broken")
    parser.add_argument("--models", nargs="+", default=["classical:otsu"], help="`trained` is trained here")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


def _ways() -> tuple[Broken, ...]:
    from broken_studies import BROKEN

    return BROKEN


def _judged(
    model: str, studies: Path, truth: dict[str, Broken | None], options: argparse.Namespace
) -> tuple[dict[str, Any], list[str]]:
    """A row of figures, and what is not as it has to be."""
    out = options.work / f"out_{re.sub(r'[^a-z]+', '_', model)}"
    path = _trained(options.work) if model == "trained" else model
    inputs = [studies, *([_DATA / "awkward"] if (_DATA / "awkward").is_dir() else [])]
    run = _predicted(path, inputs, out)
    cases = pd.read_csv(out / "cases.csv", dtype=str, keep_default_na=False)
    told = [*_good(cases, studies, truth, out), *_bad(cases, studies, truth), *_unforeseen(cases)]
    told += [f"exit code {run.code}"] if run.code != 1 else []
    checked = subprocess.run(_medseg("verify", out), capture_output=True, text=True)
    told += [f"verify: {checked.stdout[-2000:]}{checked.stderr[-2000:]}"] if checked.returncode else []
    early, late = _memory_at(run, 0.1, 0.2), _memory_at(run, 0.9, 1.0)
    told += [f"the parent's memory grew from {early:.0f} to {late:.0f} MiB"] if late > early * (1 + _GROWTH) else []
    own = cases["images"].str.startswith(f"{studies}/")
    row = {
        "model": model,
        "cases": len(cases),
        "done": int((cases["status"] == "done").sum()),
        "failed": int((cases["status"] == "failed").sum()),
        "awkward (failed)": f"{(~own).sum()} ({(cases['status'][~own] == 'failed').sum()})",
        "seconds": round(run.seconds, 1),
        "cases/s": round(len(cases) / run.seconds, 2),
        "MiB at 10-20%": round(early, 1),
        "at 45-55%": round(_memory_at(run, 0.45, 0.55), 1),
        "at 90-100%": round(late, 1),
        "peak": round(max(mib for _, mib in run.memory), 1),
        "exit": run.code,
        "verify": checked.returncode,
    }
    return row, told


def _trained(work: Path) -> Path:
    """A network of a few thousand weights that has seen eight studies for seconds."""
    data, run, config = work / "training", work / "run", work / "training.yaml"
    if not (run / "model").is_dir():
        rng = np.random.default_rng(1)
        for name in ("images", "labels"):
            (data / name).mkdir(parents=True, exist_ok=True)
        for number in range(8):
            image = write_good(data / "images" / f"t{number}", rng, dicom=False)
            read = nibabel.load(image)
            mask = (np.asarray(read.dataobj) > 150).astype(np.uint8)  # type: ignore[attr-defined]
            nibabel.save(nibabel.Nifti1Image(mask, read.affine), data / "labels" / image.name)  # type: ignore[attr-defined]
        config.write_text(_CONFIG.format(data=data, out=run))
        subprocess.run(_medseg("train", config), check=True)
    return run


def _predicted(model: str | Path, inputs: list[Path], out: Path) -> Run:
    memory, began = [], time.perf_counter()
    with (
        out.with_suffix(".log").open("w") as log,
        subprocess.Popen(_medseg("predict", model, *inputs, "--out", out), stdout=log, stderr=log) as parent,
    ):
        watched = psutil.Process(parent.pid)
        while parent.poll() is None:
            with suppress(psutil.Error):
                memory.append((_share_done(out), watched.memory_info().rss / 2**20))
            time.sleep(_EVERY_S)
    return Run(parent.returncode, time.perf_counter() - began, memory)


def _medseg(*words: object) -> list[str]:
    return [sys.executable, "-m", "medseg", *map(str, words)]


def _share_done(out: Path) -> float:
    try:
        with read_ledger(out) as ledger:
            counts = ledger.counts()
    except InputError:
        return 0.0
    ended = counts.get("done", 0) + counts.get("failed", 0)
    return ended / sum(counts.values()) if counts else 0.0


def _memory_at(run: Run, low: float, high: float) -> float:
    """Median while so many of the cases were done: without the tables at the end."""
    found = [mib for share, mib in run.memory if low <= share < high]
    return float(np.median(found)) if found else float("nan")


def _rows_of(cases: pd.DataFrame, studies: Path, name: str) -> pd.DataFrame:
    """Those whose images lie at a study's file or folder."""
    images = cases["images"]
    place = str(studies / name)
    return cases[(images == place) | images.str.startswith((f"{place}/", f"{place}:", f"{place} "))]


def _good(cases: pd.DataFrame, studies: Path, truth: dict[str, Broken | None], out: Path) -> list[str]:
    told = []
    for name in (name for name, way in truth.items() if way is None):
        rows = _rows_of(cases, studies, name)
        done = len(rows) == 1 and (rows["status"] == "done").all()
        if not done or not (out / rows["case"].iloc[0] / "mask.nii.gz").is_file():
            told.append(f"{name} is good, but: {rows[['case', 'status', 'error']].to_dict('records')}")
    return told


def _bad(cases: pd.DataFrame, studies: Path, truth: dict[str, Broken | None]) -> list[str]:
    told, table = [], {}
    for name, way in truth.items():
        if way is None:
            continue
        rows = _rows_of(cases, studies, name)
        errors = [error.replace(f"{studies}/", "") for error in rows["error"] if error]
        named = any(re.search(way.named, error.partition(": ")[2]) for error in errors)
        if not named:
            told.append(f"{name} ({way.what}) has no reason that names it: {errors}")
        count, true, _ = table.get(way.what, (0, 0, ""))
        table[way.what] = (count + 1, true + named, " | ".join(errors) or "no row")
    shown = [
        {"broken": what, "studies": count, "named": true, "reason, such as": reason}
        for what, (count, true, reason) in table.items()
    ]
    _show(shown, "What was broken, and what the rows say")
    return told


def _unforeseen(cases: pd.DataFrame) -> list[str]:
    strange = cases[
        (cases["status"] == "failed") & (cases["error"].str.startswith("unexpected") | (cases["error"] == ""))
    ]
    return [f"{row['case']}: {row['error']}" for _, row in strange.iterrows()]


def _show(rows: list[dict[str, Any]], title: str) -> None:
    table = Table(*rows[0].keys(), title=title) if rows else Table(title=title)
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    Console(width=220).print(table)


if __name__ == "__main__":
    main()
