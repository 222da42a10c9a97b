"""`medseg predict --max-memory 6GiB` on volumes that are large: what all of its processes hold, and how long it takes.

    python tests/benchmarks/memory_contract.py --work DIR [--only a b c] [--json FILE]

All is generated: (a) 1024×1024×768 int16 at 0.5 mm with a model of 3 labels on a grid of 3 mm; (b) a CT of 512×512×800
with 5 labels at 1.5 mm; (c) the volume of (a) with a grid of 1 mm, on which 100 million voxels stream through the
network. The networks are small, their weights set so that they tell organs by smoothed intensity. Memory is the largest
sum of the processes' proportional set sizes (pages of files that are mapped count, too), sampled ten times a second;
each process runs under that limit on its own data (`ulimit -d`), and with `--cgroup` all of them in a memory cgroup of
it. A run that holds more than the limit, fails, or finds nothing ends with exit code 1.
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
from medseg.networks.building import build_network
from medseg.plan import NetworkPlan, Normalisation, Plan
from medseg.training.memory import bytes_of

AIR, BODY, FIRST, STEP, NOISE = -1000, 0, 200, 200, 20  # HU
MEAN, SD = 200.0, 400.0  # of the normalisation
_SLICES, _SHIFT = 32, 10.0


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
            block = painted(task.shape, task.labels, start, min(task.shape[2], start + _SLICES))
            file.write(block.ravel(order="F").tobytes())
    unfinished.replace(path)


def painted(shape: tuple[int, ...], labels: int, start: int, stop: int) -> np.ndarray:
    """Slices [start, stop) of a volume, int16: ellipsoids in a body in air, their intensities by label."""
    rng, places = np.random.default_rng(start), np.random.default_rng(7)
    x, y, z = (
        np.linspace(-1, 1, n, dtype=np.float32)[part].reshape([-1 if i == axis else 1 for i in range(3)])
        for axis, (n, part) in enumerate(zip(shape, (slice(None), slice(None), slice(start, stop)), strict=True))
    )
    body = (x / 0.8) ** 2 + (y / 0.6) ** 2 + 0 * z < 1
    voxels = np.where(body, np.int16(BODY), np.int16(AIR))
    for label in range(1, labels + 1):
        for centre in places.uniform(-0.35, 0.35, (6, 3)):
            size = places.uniform(0.08, 0.25 if label < 3 else 0.12, 3)
            depth = [((at - c) / s) ** 2 for at, c, s in zip((x, y, z), centre, size, strict=True)]
            voxels[depth[0] + depth[1] + depth[2] < 1] = FIRST + STEP * (label - 1)
    return voxels + rng.integers(-NOISE, NOISE + 1, voxels.shape, dtype=np.int16)


def write_model(folder: Path, task: Task) -> None:
    """A U-Net that tells the organs of `painted` by their intensity."""
    levels = len(task.features)
    plan = Plan(
        dims=3,
        channels=("ct",),
        modality="CT",
        labels={f"organ {n}": n for n in range(1, task.labels + 1)},
        spacing_mm=(task.grid,) * 3,
        normalisation=(Normalisation(method="ct", lower=-1000, upper=1400, mean=MEAN, sd=SD),),
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
    network = build_network(plan)
    _threshold(network, task)
    write_bundle(folder, plan, network.eval(), {"name": task.name})


@torch.no_grad()
def _threshold(network: torch.nn.Module, task: Task) -> None:
    """Weights by which the smoothed intensity v passes the finest level; label k has the logit k v - t1 - ... - tk.

    The largest of these is that of the label between whose thresholds t(k) and t(k + 1) the intensity lies. All other
    weights stay as they were drawn, so that every level does its work.
    """
    weights = dict(network.named_parameters())
    up = f"upsamples.{len(task.features) - 2}.conv_block"
    for block, source in (("input_block", 0), (up, task.features[0])):  # upsampled features come first, then the skip
        for n, channel in ((1, source), (2, 0)):
            kernel = weights[f"{block}.conv{n}.conv.weight"]
            kernel[0] = 0
            kernel[0, channel] = 1 / 27 if block == "input_block" else 0
            kernel[0, channel, 1, 1, 1] += block != "input_block"
    weights["input_block.norm1.bias"][0] = _SHIFT  # what is above 0 passes the activations unchanged
    levels = torch.arange(task.labels + 1.0)
    thresholds = (FIRST / 2 + STEP * (levels - 1) - MEAN) / SD + _SHIFT
    thresholds[0] = 0
    final, bias = weights["output_block.conv.conv.weight"], weights["output_block.conv.conv.bias"]
    final[:] = 0
    final[:, 0, 0, 0, 0] = levels
    bias[:] = -thresholds.cumsum(0)


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="medseg predict --max-memory; start-up included; memory is the process tree's PSS")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
