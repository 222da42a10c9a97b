"""`medseg predict` against `nnUNetv2_predict` with the same nnU-Net weights: time, memory of all processes, and masks.

    python tests/benchmarks/inference.py --nnunet-python PYTHON --hippocampus MODEL --images DIR --ct MODEL --work DIR

MODEL are trainer folders of nnU-Net v2 (`nnunet_models.py` trains such), PYTHON that of an environment with nnunetv2,
DIR the data set of the hippocampus in our layout. Each figure is the median of `--rounds` runs turn about, start-up
included. nnU-Net writes masks, and medseg those alone (`--masks-only`); with `--measured` it also measures every region
and draws previews. Both run as shipped; `--allocator` gives nnU-Net the allocator that medseg sets for itself, by
glibc's environment variables. The CT is a generated abdomen of 512×512×300 in air; `--growth` lengthens it to 1024.
The engine alone is measured by `sliding_window.py`, resampling and restoring by `resampling.py`.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from process_tree import Measured, run_measured
from rich.console import Console
from rich.table import Table

CT_SHAPE, CT_SPACING = (512, 512, 300), (0.7, 0.7, 0.8)
GROWTH = (128, 256, 512, 1024)
_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(2**31 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_TOP_PAD_": str(64 << 20)
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One folder of images and one model, predicted by both.

    Args:
        name: Of the row.
        model: nnU-Net's trainer folder.
        images: Files called `<case>_0000.nii.gz`.
        mirror: Whether both average mirrored views.
        rounds: Runs a side.
        goals: Largest ratios of time wanted in fp32 and bf16, and of memory.
        measured: Whether medseg also measures and draws.
    """

    name: str
    model: Path
    images: Path
    mirror: bool
    rounds: int
    goals: tuple[float, float, float]
    measured: bool


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for task in _tasks(options) if options.rounds else ():
        rows += _compared(task, options)
        _save(options, rows)
    if options.growth:
        rows += _growth(options)
        _save(options, rows)
    for part in ({"ratio"}, {"slices"}):
        _show([row for row in rows if part <= row.keys()])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nnunet-python", type=Path, required=True, help="Python with nnunetv2 2.8")
    parser.add_argument("--hippocampus", type=Path, help="trainer folder of a hippocampus model")
    parser.add_argument("--images", type=Path, help="the hippocampus data set")
    parser.add_argument("--cases", type=int, default=65)
    parser.add_argument("--ct", type=Path, help="trainer folder of a CT model with a plan of 3 mm")
    parser.add_argument("--growth", action="store_true", help="predict CTs of 128 to 1024 slices with --ct")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of the hippocampus; the CT has three at most; 0: --growth alone"
    )
    parser.add_argument("--measured", action="store_true", help="medseg measures and draws, which nnU-Net does not")
    parser.add_argument("--allocator", action="store_true", help="tune nnU-Net's allocator too")
    parser.add_argument("--backends", nargs="+", default=["auto"], help="medseg's, each a row")
    parser.add_argument("--work", type=Path, required=True, help="folder for images and masks")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


def _tasks(options: argparse.Namespace) -> list[Task]:
    tasks = []
    if options.hippocampus:
        images = options.work / "hippocampus"
        images.mkdir(exist_ok=True)
        files = sorted(options.images.rglob("images*/*.nii.gz"))[: options.cases]
        for file in files:
            shutil.copy(file, images / f"{file.name.removesuffix('.nii.gz')}_0000.nii.gz")
        name = f"{len(files)} hippocampus cases, mirrored"
        tasks.append(Task(name, options.hippocampus, images, True, options.rounds, (0.5, 0.3, 0.5), options.measured))
    if options.ct:
        images = options.work / "ct"
        write_ct(images / "ct_0000.nii.gz", CT_SHAPE[2])
        name = "one CT of 512×512×300, 3 mm"
        tasks.append(
            Task(name, options.ct, images, False, min(3, options.rounds), (0.25, 0.25, 0.25), options.measured)
        )
    return tasks


def write_ct(path: Path, slices: int) -> None:
    """A generated abdomen with liver lesions on a fine grid, air around it, int16 HU; its body is about 30% of it."""
    from scipy.ndimage import zoom

    from medseg.demo.ct import draw_patient, scan

    if path.exists():
        return
    rng = np.random.default_rng(3)
    study = scan(draw_patient(rng), rng)
    rise = tuple(have / want for have, want in zip(study.geometry.spacing_mm, CT_SPACING, strict=True))
    body = zoom(study.voxels, (*rise[:2], rise[2]), order=1, mode="nearest")
    voxels = np.full((*CT_SHAPE[:2], slices), -1000, np.int16)
    corner = [(have - n) // 2 for have, n in zip(CT_SHAPE[:2], body.shape[:2], strict=True)]
    along = np.arange(slices) % (2 * body.shape[2])  # lengthened by its mirror image
    along = np.where(along < body.shape[2], along, 2 * body.shape[2] - 1 - along)
    voxels[corner[0] : corner[0] + body.shape[0], corner[1] : corner[1] + body.shape[1]] = body[:, :, along]
    voxels += rng.integers(-4, 5, voxels.shape, dtype=np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([*CT_SPACING, 1.0])), path)


def _compared(task: Task, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of nnU-Net against ours in fp32 and bf16, for each backend."""
    ways = [(precision, backend) for backend in options.backends for precision in ("fp32", "bf16")]
    peer: list[Measured] = []
    ours: dict[tuple[str, str], list[Measured]] = {way: [] for way in ways}
    folders = {way: options.work / f"ours_{task.images.name}_{way[0]}_{way[1]}" for way in ways}
    theirs = options.work / f"theirs_{task.images.name}"
    for way in ways:  # conversions are kept beside the model: the first run, which makes them, is not counted
        _ours(task, folders[way], *way)
    for _ in range(task.rounds):
        peer.append(_theirs(task, theirs, options))
        for way in ways:
            ours[way].append(_ours(task, folders[way], *way))
    rows = []
    for (precision, backend), runs in ours.items():
        seconds, their_seconds = (statistics.median(run.seconds for run in side) for side in (runs, peer))
        memory, their_memory = (statistics.median(run.peak_mib for run in side) for side in (runs, peer))
        rows.append(
            {
                "work": f"{task.name}, {precision}, {backend}",
                "peer": "nnUNetv2_predict" + (", same allocator" if options.allocator else ""),
                "ours_s": round(seconds, 2),
                "peer_s": round(their_seconds, 2),
                "ratio": round(seconds / their_seconds, 3),
                "goal": task.goals[precision == "bf16"],
                "ours_peak_mib": round(memory),
                "peer_peak_mib": round(their_memory),
                "memory_ratio": round(memory / their_memory, 3),
                "memory_goal": task.goals[2],
                "dice": _agreement(folders[precision, backend], theirs),
            }
        )
    return rows


def _ours(task: Task, out: Path, precision: str, backend: str, images: Path | None = None) -> Measured:
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "medseg", "predict", str(task.model), str(images or task.images), "--out"]
    command += [str(out), "--precision", precision, "--backend", backend]
    command += ["--speed", "normal" if task.mirror else "fast"]
    command += [] if task.measured else ["--masks-only"]
    return run_measured(command, os.environ, out.with_suffix(".log"))


def _theirs(task: Task, out: Path, options: argparse.Namespace) -> Measured:
    shutil.rmtree(out, ignore_errors=True)
    script = "from nnunetv2.inference.predict_from_raw_data import predict_entry_point_modelfolder as run; run()"
    command = [str(options.nnunet_python), "-c", script, "-i", str(task.images), "-o", str(out)]
    command += ["-m", str(task.model), "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1"]
    command += [] if task.mirror else ["--disable_tta"]
    named = {f"nnUNet_{name}": str(options.work / name) for name in ("raw", "preprocessed", "results")}
    tuned = _ALLOCATOR if options.allocator else {}
    return run_measured(command, os.environ | named | tuned, out.with_suffix(".log"))


def _agreement(ours: Path, theirs: Path) -> str:
    """Smallest and mean Dice over cases and labels to nnU-Net's masks."""
    found = []
    for file in sorted(theirs.glob("*.nii.gz")):
        (mask,) = ours.glob(f"{file.name.removesuffix('.nii.gz')}*/mask.nii.gz")
        one, other = (np.asarray(nibabel.load(path).dataobj) for path in (mask, file))  # type: ignore[attr-defined]
        for value in np.union1d(np.unique(one), np.unique(other))[1:]:
            both = np.count_nonzero((one == value) & (other == value))
            found.append(2 * both / (np.count_nonzero(one == value) + np.count_nonzero(other == value)))
    return f"mean {np.mean(found):.5f}, least {np.min(found):.5f}" if found else "no label found by either"


def _growth(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time and memory of CTs of more and more slices."""
    task = Task("growth", options.ct, options.work / "growth", False, 1, (0.0, 0.0, 0.0), options.measured)
    rows = []
    for slices in GROWTH:
        images = options.work / f"growth_{slices}"
        write_ct(images / "ct_0000.nii.gz", slices)
        runs = [_ours(task, options.work / f"ours_growth_{slices}", "fp32", options.backends[0], images) for _ in "123"]
        voxels_mib = CT_SHAPE[0] * CT_SHAPE[1] * slices * 3 / 2**20  # image int16 and mask uint8
        memory = statistics.median(run.peak_mib for run in runs)
        rows.append(
            {
                "slices": slices,
                "seconds": round(statistics.median(run.seconds for run in runs), 2),
                "peak_mib": round(memory),
                "image_and_mask_mib": round(voxels_mib),
                "rest_mib": round(memory - voxels_mib),
            }
        )
    return rows


def _save(options: argparse.Namespace, rows: Sequence[dict[str, Any]]) -> None:
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _show(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(
        title="Medians, turn about, start-up included; memory is the process tree's PSS; ratio is ours / peer"
    )
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
