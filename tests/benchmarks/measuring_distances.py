"""HD95, ASSD and NSD of a pair of 512×512×300 masks beside MONAI's three metrics and DeepMind's surface-distance.

    python tests/benchmarks/measuring_distances.py [--json FILE] [--surface-distance PYTHON]

The pair is generated: a liver-like body of 20 cm and its copy, moved and deformed by millimetres. All sides get the
same boolean arrays. `surface-distance` runs in the interpreter of an environment of its own
(`python -m venv ENV; ENV/bin/pip install surface-distance`), which is named on the command line; without it there is
no such row. Rounds go turn about. Our figures must be MONAI's to 1e-4 mm, or the run fails.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

SHAPE, SPACING = (512, 512, 300), (0.8, 0.8, 1.5)
TOLERANCE = 2.0
GOALS = {"MONAI": 0.06, "surface-distance": 0.3}
# What the other interpreter runs, which has neither medseg nor rich: load, then a round for each line of input.
_THEIRS = """
import sys, time, numpy as np
from surface_distance import metrics
with np.load(sys.argv[1]) as pair:
    one, other = pair["one"], pair["other"]
spacing = [float(n) for n in sys.argv[2].split(",")]
for line in sys.stdin:
    begin = time.perf_counter()
    found = metrics.compute_surface_distances(other, one, spacing)
    far = metrics.compute_robust_hausdorff(found, 95)
    means = metrics.compute_average_surface_distance(found)
    near = metrics.compute_surface_dice_at_tolerance(found, float(sys.argv[3]))
    print(time.perf_counter() - begin, far, means[0], means[1], near, flush=True)
"""


def masks() -> tuple[np.ndarray, np.ndarray]:
    """Both bodies, boolean, on the whole grid."""
    places = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    x, y, z = ((axis - n / 2) * step for axis, n, step in zip(places, SHAPE, SPACING, strict=True))
    wave = 4 * np.sin(x / 17) * np.cos(y / 13) + 3 * np.sin(z / 11)
    one = (x / 110) ** 2 + (y / 80) ** 2 + (z / 95) ** 2 < 1 + wave / 90
    other = ((x - 1.5) / 111) ** 2 + ((y + 1) / 80) ** 2 + ((z - 1) / 94) ** 2 < 1 + (wave + 2 * np.sin(x / 7)) / 90
    return one, other


def ours(one: np.ndarray, other: np.ndarray, definition: str) -> tuple[float, float, float]:
    """By `label_distances`, which finds the box of the label itself."""
    from medseg.evaluation import label_distances
    from medseg.geometry import Geometry
    from medseg.labels import Labels

    pair = one.view(np.uint8), other.view(np.uint8)
    grid = Geometry.from_spacing(SHAPE, SPACING)
    (found,) = label_distances(*pair, Labels.from_config({"body": 1}), grid, TOLERANCE, definition)
    return found.hd95, found.assd, found.nsd


def monai(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """MONAI's three metrics on tensors."""
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    pair = [torch.from_numpy(mask)[None, None] for mask in (one, other)]
    how = {"include_background": True, "spacing": SPACING}
    far = compute_hausdorff_distance(*pair, percentile=95, **how)
    mean = compute_average_surface_distance(*pair, symmetric=True, **how)
    return float(far), float(mean), float(compute_surface_dice(*pair, [TOLERANCE + 1e-6], **how))


def timed(side, *arguments) -> tuple[float, tuple[float, float, float]]:
    """Seconds, and what was found."""
    begin = time.perf_counter()
    found = side(*arguments)
    return time.perf_counter() - begin, found


def rounds_of(count: int, peer: subprocess.Popen | None) -> dict[str, list[tuple[float, tuple[float, ...]]]]:
    """Every side turn about; one warm round, which is left out, then those that count."""
    one, other = masks()
    seen: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
    for number in range(count + 1):
        found = {
            "ours": timed(ours, one, other, "border-voxels"),
            "ours, surface-distance": timed(ours, one, other, "surface-distance"),
            "MONAI": timed(monai, one, other),
        }
        if peer and peer.stdin and peer.stdout:
            peer.stdin.write("go\n")
            taken, *theirs = map(float, peer.stdout.readline().split())
            found["surface-distance"] = taken, tuple(theirs)
        for side, one_round in found.items() if number else ():
            seen.setdefault(side, []).append(one_round)
            sys.stdout.write(f"{side}: {one_round[0]:.3f} s, {', '.join(f'{x:.6f}' for x in one_round[1])}\n")
            sys.stdout.flush()
    return seen


def peer_of(interpreter: Path | None, folder: Path) -> subprocess.Popen | None:
    """The other interpreter, waiting for the first line."""
    if interpreter is None:
        return None
    one, other = masks()
    np.savez(folder / "pair.npz", one=one, other=other)
    words = [str(folder / "pair.npz"), ",".join(map(str, SPACING)), str(TOLERANCE)]
    command = [str(interpreter), "-c", _THEIRS, *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def main() -> None:
    """Rounds, the table of medians, and the check that our figures are MONAI's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--surface-distance", type=Path, metavar="PYTHON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peer = peer_of(options.surface_distance, Path(folder))
        seen = rounds_of(options.rounds, peer)
        if peer:
            peer.communicate()
    if not np.allclose(seen["ours"][0][1], seen["MONAI"][0][1], atol=1e-4, rtol=0):
        raise SystemExit("our figures are not MONAI's")
    medians = {side: statistics.median(taken for taken, _ in each) for side, each in seen.items()}
    rows = [
        {"work": f"HD95 + NSD + ASSD, {mine}", "peer": theirs, "ours_s": round(medians[mine], 3),
         "peer_s": round(medians[theirs], 3), "ratio": round(medians[mine] / medians[theirs], 4), "goal": GOALS[theirs]}
        for mine in ("ours", "ours, surface-distance") for theirs in GOALS if theirs in medians
    ]  # fmt: skip
    table = Table(title=f"Medians of {options.rounds} rounds, turn about; ratio and goal are ours / peer")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=150).print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
