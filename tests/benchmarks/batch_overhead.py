"""What a batch costs beside its work, what a second core brings, and one run beside nnU-Net's and beside a shell loop.

    python tests/benchmarks/batch_overhead.py --work DIR [--only tiny cores peers] [--json FILE]
        [--nnunet-python PYTHON --model TRAINER_FOLDER --images DIR]

tiny: generated volumes of 32×28×12 by Otsu's method, in this process: `medseg.predict` (ledger, hashes, flushes and
tables) less the work itself (read, segment, measure, draw, write), turn about, for each case. cores: generated CTs as
DICOM series, read, resampled to 3 mm for a network of a few weights, and their masks brought back, measured and drawn;
one process on one core against what is chosen on two, and one network on two, by `taskset`. `cpu` is the processors'
seconds, of which a busy machine adds less than to the clock's; `steady` is the gain once all processes have loaded
their libraries and the model: from the tenth case done to the last but ten. peers: `medseg predict`, `nnUNetv2_predict`
and a shell loop with a process of nnU-Net's a case, as TotalSegmentator is mostly called, with the same weights, no
mirrored views, start-up included; the loop is run on `--loop-cases` and scaled. Memory is the process tree's PSS. Times
are medians of `--rounds`; the load of the machine is beside them.
"""

import argparse
import json
import os
import resource
import shutil
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from process_tree import Measured, run_measured
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parents[1]))
from broken_studies import write_good

import medseg
from medseg.demo.dicom import SeriesTags, write_ct_series
from medseg.geometry import Geometry

CT_SHAPE, CT_SPACING = (256, 256, 96), (1.0, 1.0, 1.25)
GRID_MM = 3.0
_NNUNET = "from nnunetv2.inference.predict_from_raw_data import predict_entry_point_modelfolder as run; run()"
GOALS = {"tiny": "≤ 30 ms", "cores": "≥ 1.7", "peers": "< 1"}


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for name, measure in (("tiny", _tiny), ("cores", _cores), ("peers", _peers)):
        if name in options.only and (name != "peers" or options.nnunet_python):
            before = os.getloadavg()[0]
            rows += [{**row, "goal": GOALS[name], "load": f"{before:.1f}"} for row in measure(options)]
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    table = Table(
        "work", "figure", "goal", "load", title=f"Medians of {options.rounds}, start-up included but in `tiny`"
    )
    for row in rows:
        told = ", ".join(f"{key} {value}" for key, value in row.items() if key not in ("work", "goal", "load"))
        table.add_row(row["work"], told, row["goal"], row["load"])
    Console(width=180).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for images and results")
    parser.add_argument("--only", nargs="+", choices=("tiny", "cores", "peers"), default=["tiny", "cores", "peers"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", type=int, default=200, help="tiny cases")
    parser.add_argument("--cts", type=int, default=128)
    parser.add_argument("--nnunet-python", type=Path, help="Python with nnunetv2 2.8")
    parser.add_argument("--model", type=Path, help="trainer folder of a hippocampus model of nnU-Net")
    parser.add_argument("--images", type=Path, help="the hippocampus data set")
    parser.add_argument("--cases", type=int, default=50, help="of it")
    parser.add_argument("--loop-cases", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


def _tiny(options: argparse.Namespace) -> list[dict[str, Any]]:
    folder = options.work / "tiny"
    if not folder.exists():
        folder.mkdir()
        rng = np.random.default_rng(0)
        for number in range(options.tiny):
            write_good(folder / f"t{number:04d}", rng, dicom=False)
    files, model = sorted(folder.iterdir()), medseg.load_model("classical:otsu")
    work, batch = [], []
    for number in range(options.rounds + 1):
        one = _timed(_work_alone, model, folder, options.work / "tiny_work") / len(files)
        other = _timed(_batch, model, folder, options.work / "tiny_batch") / len(files)
        if number:  # the first round loads libraries
            work.append(one)
            batch.append(other)
    over = [two - one for one, two in zip(work, batch, strict=True)]
    figures = {}
    for place, clock in enumerate(("", " of processor")):
        for name, found in (("work", work), ("batch", batch), ("overhead", over)):
            figures[f"{name} ms{clock}"] = round(statistics.median(one[place] for one in found), 1)
    return [{"work": f"{len(files)} tiny cases, one process, each", **figures}]


def _timed(run: Callable[[Any, Path, Path], None], model: Any, folder: Path, out: Path) -> np.ndarray:
    """Milliseconds by the clock, which a busy machine lengthens, and of the processor, which waits for no disk."""
    shutil.rmtree(out, ignore_errors=True)
    began = np.array([time.perf_counter(), time.process_time()])
    run(model, folder, out)
    return (np.array([time.perf_counter(), time.process_time()]) - began) * 1e3


def _work_alone(model: Any, folder: Path, out: Path) -> None:
    """What anybody would write in a loop, without a ledger."""
    from medseg.outputs.preview import write_preview

    for file in sorted(folder.iterdir()):
        image = medseg.read_image(file)
        found = model.segment(image)
        regions = medseg.measure(image, found)
        own = out / file.name.removesuffix(".nii.gz")
        write_preview(own / "preview.png", image, found, regions=regions)
        medseg.write_mask(own / "mask.nii.gz", found)


def _batch(model: Any, folder: Path, out: Path) -> None:
    done = medseg.predict(model, folder, out, jobs=0)
    if not (done.cases["status"] == "done").all():
        sys.exit(f"not all of {folder} is done")


def _cores(options: argparse.Namespace) -> list[dict[str, Any]]:
    studies, model = options.work / "cts", options.work / "ct_model"
    if not studies.exists():
        _write_cts(studies, options.cts)
        _write_model(model)
    ways = {"one": ("0", ["--jobs", "0"]), "two": ("0,1", []), "two, --workers 1": ("0,1", ["--workers", "1"])}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(min(3, options.rounds)):
        for name, (cores, more) in ways.items():
            out = options.work / f"ct_{len(more)}{cores}"
            shutil.rmtree(out, ignore_errors=True)
            command = ["taskset", "-c", cores, sys.executable, "-m", "medseg", "predict", model, studies, "--out", out]
            command += [*more, "--precision", "fp32", "--backend", "torch"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run = run_measured([str(word) for word in command], os.environ, out.with_suffix(".log"))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            found = {"s": run.seconds, "cpu": cpu, "steady": _steady(out), "mib": run.peak_mib}
            seen[name].append(found)
            sys.stderr.write(f"{name} {number}: {found}\n")
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in seen.items()
    }
    one = middle["one"]
    return [
        {
            "work": f"{options.cts} CTs of 256×256×96 as DICOM, cores: {name}",
            "s": round(found["s"], 1),
            "of one": round(one["s"] / found["s"], 2),
            "steady": round(one["steady"] / found["steady"], 2),
            "cpu s": round(found["cpu"], 1),
            "peak MiB": round(found["mib"]),
        }
        for name, found in middle.items()
    ]


def _steady(out: Path) -> float:
    """Seconds a case from the tenth that was done to the last but ten."""
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
        ends = [end for (end,) in ledger.execute("SELECT changed FROM cases WHERE state = 'done' ORDER BY changed")]
    skipped = min(10, len(ends) // 4)
    return (ends[-1 - skipped] - ends[skipped]) / (len(ends) - 1 - 2 * skipped)


def _write_cts(folder: Path, count: int) -> None:
    from memory_contract import painted

    rng = np.random.default_rng(0)
    geometry = Geometry(CT_SHAPE, np.diag([-CT_SPACING[0], CT_SPACING[1], CT_SPACING[2], 1.0]))
    body = painted(CT_SHAPE, 1, 0, CT_SHAPE[2])
    for number in range(count):
        voxels = body + rng.integers(-4, 5, CT_SHAPE, dtype=np.int16)
        tags = SeriesTags(f"c{number:03d}", "study1", "abdomen", "20260101", "batch overhead")
        write_ct_series(folder / f"c{number:03d}", np.roll(voxels, number, 0), geometry, tags, rng)


def _write_model(folder: Path) -> None:
    """Three levels of a few weights that find what is bright."""
    from memory_contract import Task, write_model

    write_model(folder, Task("overhead", "", CT_SHAPE, CT_SPACING[0], 1, GRID_MM, 64, (4, 8, 8)))


def _peers(options: argparse.Namespace) -> list[dict[str, Any]]:
    images = options.work / "hippocampus"
    if not images.exists():
        images.mkdir()
        for file in sorted(options.images.rglob("images*/*.nii.gz"))[: options.cases]:
            shutil.copy(file, images / f"{file.name.removesuffix('.nii.gz')}_0000.nii.gz")
    files = sorted(images.iterdir())
    out, theirs = options.work / "ours", options.work / "theirs"
    ours = [sys.executable, "-m", "medseg", "predict", str(options.model), str(images), "--out", str(out)]
    runs: dict[str, list[Measured]] = {"bf16": [], "fp32": [], "nnUNetv2_predict": []}
    _ours(ours, "bf16", out)  # conversions are kept beside the model
    for _ in range(min(3, options.rounds)):
        for precision in ("bf16", "fp32"):
            runs[precision].append(_ours(ours, precision, out))
        runs["nnUNetv2_predict"].append(_nnunet(options, images, theirs))
    seconds = {name: statistics.median(one.seconds for one in found) for name, found in runs.items()}
    peaks = {name: statistics.median(one.peak_mib for one in found) for name, found in runs.items()}
    loop = [_alone(options, file) for file in files[: options.loop_cases]]
    name = f"loop ({len(loop)} cases, scaled)"
    seconds[name] = sum(one.seconds for one in loop) / len(loop) * len(files)
    peaks[name] = max(one.peak_mib for one in loop)
    rows = []
    for peer in ("nnUNetv2_predict", name):
        for way in ("fp32", "bf16"):
            rows.append(
                {
                    "work": f"{len(files)} hippocampus cases, ours ({way}, measured, drawn) / {peer}",
                    "s": f"{seconds[way]:.1f} / {seconds[peer]:.1f}",
                    "ratio": round(seconds[way] / seconds[peer], 3),
                    "MiB": f"{peaks[way]:.0f} / {peaks[peer]:.0f}",
                    "memory": round(peaks[way] / peaks[peer], 3),
                }
            )
    return rows


def _ours(command: list[str], precision: str, out: Path) -> Measured:
    shutil.rmtree(out, ignore_errors=True)
    return run_measured([*command, "--precision", precision, "--speed", "fast"], os.environ, out.with_suffix(".log"))


def _nnunet(options: argparse.Namespace, images: Path, out: Path) -> Measured:
    shutil.rmtree(out, ignore_errors=True)
    command = [str(options.nnunet_python), "-c", _NNUNET, "-i", str(images), "-o", str(out)]
    command += ["-m", str(options.model), "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1", "--disable_tta"]
    named = {f"nnUNet_{name}": str(options.work / name) for name in ("raw", "preprocessed", "results")}
    return run_measured(command, os.environ | named, out.with_suffix(".log"))


def _alone(options: argparse.Namespace, file: Path) -> Measured:
    folder = options.work / "alone"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(file, folder / file.name)
    return _nnunet(options, folder, options.work / "alone_out")


if __name__ == "__main__":
    main()
