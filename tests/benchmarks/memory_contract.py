"""`medseg predict --max-memory 6GiB` on volumes that are large: what all of its processes hold, and how long it takes.

    python tests/benchmarks/memory_contract.py --work DIR [--only a b c] [--json FILE]

All is generated: (a) 1024×1024×768 int16 at 0.5 mm with a model of 3 labels on a grid of 3 mm; (b) a CT of 512×512×800
with 5 labels at 1.5 mm; (c) the volume of (a) with a grid of 1 mm, on which 100 million voxels stream through the
network. The networks are small and trained for some seconds on pieces of such volumes. Memory is the largest sum of the
processes' proportional set sizes (pages of files that are mapped count, too), sampled ten times a second; each process
runs under that limit on its own data (`ulimit -d`), and with `--cgroup` all of them in a memory cgroup of it. A run
that holds more than the limit, fails, or finds nothing ends with exit code 1.
"""

import argparse
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import torch
from isal import igzip
from process_tree import run_measured
from rich.console import Console
from rich.table import Table

from medseg.export.bundle import write_bundle
from medseg.networks import build_network
from medseg.plan import NetworkPlan, Normalisation, Plan
from medseg.training.memory import bytes_of

AIR, BODY, FIRST, STEP, NOISE = -1000, 0, 200, 200, 20  # HU
_SLICES = 32


@dataclass(frozen=True)
class Task:
    """A volume and a model.

    Args:
        name: Of the row.
        volume: Name of its file.
        shape: Of the volume.
        spacing: In mm.
        labels: How many the model knows.
        grid: Of the model, in mm.
        patch: Side of its windows.
        features: Of its levels.
    """

    name: str
    volume: str
    shape: tuple[int, int, int]
    spacing: float
    labels: int
    grid: float
    patch: int
    features: tuple[int, ...]


TASKS = {
    "a": Task("1024×1024×768, 3 labels, 3 mm", "large", (1024, 1024, 768), 0.5, 3, 3.0, 64, (4, 8, 16)),
    "b": Task("CT 512×512×800, 5 labels, 1.5 mm", "ct", (512, 512, 800), 0.75, 5, 1.5, 96, (4, 8, 16)),
    "c": Task("1024×1024×768, 3 labels, 1 mm", "large", (1024, 1024, 768), 0.5, 3, 1.0, 96, (4, 8, 16)),
}


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.only:
        rows.append(_measured(name, TASKS[name], options))
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n")
    _show(rows)
    if any(row["peak_mib"] > row["limit_mib"] or not row["regions"] for row in rows):
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for volumes, models and masks")
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--limit", default="6GiB")
    parser.add_argument("--cgroup", type=Path, help="a memory cgroup (v2) of yours to run in, with the limit")
    parser.add_argument("--probabilities", action="store_true", help="write those, too")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


def _measured(name: str, task: Task, options: argparse.Namespace) -> dict[str, Any]:
    image = options.work / f"{task.volume}.nii.gz"
    if not image.exists():
        write_volume(image, task)
    model = options.work / f"model_{name}"
    if not (model / "plan.json").exists():
        write_model(model, task)
    out = options.work / f"out_{name}"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "medseg", "predict", str(model), str(image), "--out", str(out)]
    command += ["--max-memory", options.limit, "--json", *(["--probabilities"] if options.probabilities else [])]
    found = run_measured(_limited(command, options), os.environ, out.with_suffix(".log"))
    regions = pd.read_csv(out / "regions.csv")
    return {
        "work": task.name,
        "limit_mib": round(bytes_of(options.limit) / 2**20),
        "peak_mib": round(found.peak_mib),
        "seconds": round(found.seconds, 1),
        "image_mib": round(2 * np.prod(task.shape, dtype=float) / 2**20),
        "mask_mib": round(np.prod(task.shape, dtype=float) / 2**20),
        "regions": len(regions),
        "labelled_voxels": int(regions["voxels"].sum()),
    }


def _limited(command: list[str], options: argparse.Namespace) -> list[str]:
    """The command in a shell that limits its own data, and joins the cgroup where one is given."""
    limit = bytes_of(options.limit)
    joined = ""
    if options.cgroup:
        (options.cgroup / "memory.max").write_text(str(limit))
        joined = f"echo $$ > '{options.cgroup / 'cgroup.procs'}'; "
    return ["bash", "-c", f'{joined}ulimit -d {limit >> 10}; exec "$@"', "medseg", *command]


def write_volume(path: Path, task: Task) -> None:
    """A body with organs of nested intensities and some lesions, some slices at a time, int16 HU."""
    header = nibabel.Nifti1Header()
    header.set_data_shape(task.shape)
    header.set_data_dtype(np.int16)
    affine = np.diag([*(task.spacing,) * 3, 1.0])
    header.set_sform(affine, 1)
    header.set_qform(affine, 1)
    header.set_xyzt_units("mm")
    header["vox_offset"], header["magic"] = 352, b"n+1"
    unfinished = path.with_name(f".{path.name}")
    with igzip.open(unfinished, "wb", compresslevel=0) as file:
        file.write(header.binaryblock + bytes(4))
        for start in range(0, task.shape[2], _SLICES):
            block = painted(task.shape, task.labels, start, min(task.shape[2], start + _SLICES))[0]
            file.write(block.ravel(order="F").tobytes())
    unfinished.replace(path)


def painted(shape: tuple[int, ...], labels: int, start: int = 0, stop: int | None = None) -> tuple[np.ndarray, ...]:
    """Slices [start, stop) of a volume, int16, and their labels, uint8: ellipsoids in one another and beside."""
    rng = np.random.default_rng(start)
    stop = shape[2] if stop is None else stop
    x, y, z = (
        np.linspace(-1, 1, n, dtype=np.float32)[part].reshape([-1 if i == axis else 1 for i in range(3)])
        for axis, (n, part) in enumerate(zip(shape, (slice(None), slice(None), slice(start, stop)), strict=True))
    )
    voxels = rng.integers(-NOISE, NOISE + 1, (*shape[:2], stop - start), dtype=np.int16)
    truth = np.zeros(voxels.shape, np.uint8)
    inside = (x / 0.8) ** 2 + (y / 0.6) ** 2 + 0 * z < 1
    voxels += np.where(inside, np.int16(BODY), np.int16(AIR))
    places = np.random.default_rng(7)
    for label in range(1, labels + 1):
        for centre in places.uniform(-0.35, 0.35, (6, 3)):
            size = places.uniform(0.08, 0.25 if label < 3 else 0.12, 3)
            one = sum(
                ((at - c) / s) ** 2 for at, c, s in zip((x, y, z), centre, size, strict=True)
            ) < 1  # fmt: skip
            voxels[one] += np.int16(FIRST + STEP * (label - 1)) - (truth[one] > 0) * (
                FIRST + STEP * (truth[one].astype(np.int16) - 1)
            )
            truth[one] = label
    return voxels, truth


def write_model(folder: Path, task: Task) -> None:
    """A model that was trained on pieces of a small volume of the same intensities."""
    levels = len(task.features)
    plan = Plan(
        dims=3,
        channels=("ct",),
        modality="CT",
        labels={f"organ {n}": n for n in range(1, task.labels + 1)},
        spacing_mm=(task.grid,) * 3,
        normalisation=(Normalisation(method="ct", lower=-1000, upper=1400, mean=200, sd=400),),
        patch_size=(task.patch,) * 3,
        batch_size=2,
        overlap=0.25,
        network=NetworkPlan(
            features=task.features,
            kernels=((3, 3, 3),) * levels,
            strides=((1, 1, 1), *((2, 2, 2),) * (levels - 1)),
            norm="batch",
            deep_supervision=False,
        ),
    )
    torch.manual_seed(0)
    network = build_network(plan)
    voxels, truth = (torch.from_numpy(part) for part in painted((128, 128, 96), task.labels))
    voxels = (voxels.float() - 200) / 400
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    rng = np.random.default_rng(0)
    for step in range(80):
        box = _piece(voxels, rng)
        loss = torch.nn.functional.cross_entropy(network(voxels[box][None, None]), truth[box][None].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            sys.stderr.write(f"{folder.name}: step {step + 1}, loss {loss.item():.3f}\n")
    _settle(network, voxels, rng)
    write_bundle(folder, plan, network.eval(), {"name": task.name})


def _piece(voxels: torch.Tensor, rng: np.random.Generator) -> tuple[slice, ...]:
    return tuple(slice(n, n + 40) for n in (int(rng.integers(0, n - 40)) for n in voxels.shape))


def _settle(network: torch.nn.Module, voxels: torch.Tensor, rng: np.random.Generator) -> None:
    """Give the normalising layers the moments of many pieces: those that training left lag behind its weights."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.reset_running_stats()
            layer.momentum = None
    with torch.no_grad():
        for _ in range(12):
            network.train()(voxels[_piece(voxels, rng)][None, None])


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="medseg predict --max-memory; start-up included; memory is the process tree's PSS")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
