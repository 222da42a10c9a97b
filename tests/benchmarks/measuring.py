"""The region table of 200 lesions in a CT of 512×512×300 beside SimpleITK, scikit-image and PyRadiomics.

    python tests/benchmarks/measuring.py [--json FILE] [--only PEER] [--largest 25] [--pyradiomics-python PYTHON]

The lesions are generated: ellipsoids with axes of 3 to 25 mm (`--largest`) in any direction. All sides get the same
arrays in memory; rounds go turn about. PyRadiomics runs in the interpreter of an environment of its own (see
docs/measuring.md), on each lesion already cropped, and on two lesions in the whole image, for which 200 are reckoned;
without it there are no such rows. Its extractor is called, as its users do, for shape and first order. Its figures must
be ours, or the run fails; those of its mesh, which is open where the corners of a face lie crosswise, are printed.
Distances of masks: measuring_distances.py.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

SHAPE, SPACING, LESIONS, UNCROPPED = (512, 512, 300), (0.8, 0.8, 1.5), 200, 2
WORKS = {
    "few": "size, box, centroid, intensity", "all": "default region table",
    "diameters": "longest 3D and RECIST diameter",
}  # fmt: skip
GOALS = {  # of each peer, beside which work of ours, and the largest ratio of times
    "SimpleITK": ("few", 0.25), "scikit-image": ("few", 0.15), "PyRadiomics, cropped": ("all", 0.25),
    "PyRadiomics, whole": ("all", 0.005), "scikit-image Feret": ("diameters", 0.05),
}  # fmt: skip
FIGURES = {  # PyRadiomics' name: ours
    "VoxelVolume": "volume_mm3", "MeshVolume": "mesh_volume_mm3", "SurfaceArea": "surface_mm2",
    "Sphericity": "sphericity", "Elongation": "elongation", "Flatness": "flatness",
    "Maximum3DDiameter": "longest_3d_mm", "Mean": "mean_hu", "Median": "median_hu", "Skewness": "skewness_hu",
    "Energy": "energy_hu", "Entropy": "entropy_hu", "Uniformity": "uniformity_hu",
    "RobustMeanAbsoluteDeviation": "rmad_hu",
}  # fmt: skip
MESH = ("MeshVolume", "SurfaceArea", "Sphericity")
# What the other interpreter runs, which has neither medseg nor rich: load, then a round for each line of input.
_PYRADIOMICS = """
import json, logging, sys, time, numpy as np, SimpleITK as sitk
logging.disable(logging.CRITICAL)
from radiomics import featureextractor
extractor = featureextractor.RadiomicsFeatureExtractor(binWidth=25)
extractor.disableAllFeatures()
extractor.enableFeatureClassByName("shape")
extractor.enableFeatureClassByName("firstorder")
names = json.loads(sys.argv[2])
spacing = [float(n) for n in sys.argv[3].split(",")]
def image(array):
    made = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    made.SetSpacing(spacing)
    return made
with np.load(sys.argv[1]) as found:
    pairs = [(image(found[f"voxels{n}"]), image(found[f"mask{n}"])) for n in range(len(found.files) // 2)]
for line in sys.stdin:
    begin, rows = time.perf_counter(), []
    for voxels, mask in pairs:
        row = {key.rsplit("_", 1)[-1]: value for key, value in extractor.execute(voxels, mask).items()}
        rows.append([float(row[name]) for name in names])
    print(json.dumps([time.perf_counter() - begin, rows]), flush=True)
"""


def lesions(largest: float) -> tuple[np.ndarray, np.ndarray]:
    """A CT and its mask, both as NIfTI stores them (the first axis the fastest); lesions of up to so many mm."""
    rng = np.random.default_rng(7)
    mask = np.zeros(SHAPE, np.uint8, order="F")
    placed = 0
    while placed < LESIONS:
        radii = np.exp(rng.uniform(np.log(1.5), np.log(largest / 2), 3))
        half = np.ceil(radii.max() / np.array(SPACING)).astype(int) + 1
        centre = rng.integers(half + 1, np.array(SHAPE) - half - 1)
        places = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in half), indexing="ij"), axis=-1) * SPACING
        turn, _r = np.linalg.qr(rng.normal(size=(3, 3)))
        inside = ((places @ turn / radii) ** 2).sum(axis=-1) <= 1
        around = tuple(slice(c - n - 1, c + n + 2) for c, n in zip(centre, half, strict=True))
        if inside.sum() >= 20 and not mask[around].any():
            mask[tuple(slice(c - n, c + n + 1) for c, n in zip(centre, half, strict=True))] = inside
            placed += 1
    voxels = np.empty(SHAPE, np.int16, order="F")
    for z in range(SHAPE[2]):
        voxels[..., z] = rng.normal(60, 25, SHAPE[:2]) - 40 * mask[..., z]
    return voxels, mask


def table(voxels: np.ndarray, mask: np.ndarray, families: tuple[str, ...]) -> Any:
    """Ours."""
    from medseg.geometry import Geometry
    from medseg.image import Image
    from medseg.labels import Labels
    from medseg.regions import measure_regions

    image = Image(voxels[np.newaxis], Geometry.from_spacing(SHAPE, SPACING), modality="CT")
    return measure_regions(image, mask, Labels.from_config({"lesion": 1}), families=families)


def diameters(voxels: np.ndarray, mask: np.ndarray) -> Callable[[], Any]:
    """Longest 3D and RECIST diameters of regions that are found already."""
    from medseg.geometry import Geometry
    from medseg.labels import Labels
    from medseg.regions import axial_diameters, find_regions, longest_diameter

    grid = Geometry.from_spacing(SHAPE, SPACING)
    found = find_regions(mask, Labels.from_config({"lesion": 1}))
    crops = [(region.mask, grid.cropped(region.start, region.size)) for region in found]
    return lambda: [(longest_diameter(*crop), axial_diameters(*crop)) for crop in crops]


def simpleitk(voxels: np.ndarray, mask: np.ndarray) -> Callable[[], Any]:
    """Components, size, box, centroid and intensities in one filter, without its perimeter and Feret diameter."""
    import SimpleITK as sitk  # noqa: N813

    pair = [sitk.GetImageFromArray(array.T) for array in (voxels, mask)]

    def run() -> int:
        components = sitk.ConnectedComponent(pair[1], True)
        figures = sitk.LabelIntensityStatisticsImageFilter()
        figures.ComputePerimeterOff()
        figures.Execute(components, pair[0])
        return sum(figures.GetNumberOfPixels(label) for label in figures.GetLabels())

    return run


def scikit(voxels: np.ndarray, mask: np.ndarray) -> Callable[[], Any]:
    """The same."""
    from skimage.measure import label, regionprops_table

    wanted = ("area", "bbox", "centroid", "intensity_mean", "intensity_min", "intensity_max", "intensity_std")
    return lambda: regionprops_table(label(mask), voxels, wanted, spacing=SPACING)


def scikit_feret(mask: np.ndarray) -> Callable[[], Any]:
    """The longest 3D diameter of regions that are found already; nothing is kept from one run to the next."""
    from skimage.measure import label, regionprops

    found = regionprops(label(mask), spacing=SPACING, cache=False)
    return lambda: [one.feret_diameter_max for one in found]


class Elsewhere:
    """PyRadiomics in its own interpreter, which keeps the images in memory and measures them when asked."""

    def __init__(self, python: str, file: Path) -> None:
        spacing = ",".join(str(n) for n in SPACING)
        command = [python, "-c", _PYRADIOMICS, str(file), json.dumps(list(FIGURES)), spacing]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.figures: list[list[float]] = []

    def seconds(self) -> float:
        """One round."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        took, self.figures = json.loads(self._process.stdout.readline())
        return float(took)

    def end(self) -> None:
        """Let it finish."""
        self._process.communicate()


def timed(work: Callable[[], Any]) -> Callable[[], float]:
    """Seconds of one run."""

    def run() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return run


def saved(folder: Path, voxels: np.ndarray, mask: np.ndarray, row: Any, numbers: range, name: str, whole: bool) -> Path:
    """Lesions as PyRadiomics gets them: each with five voxels around it, or each in the whole image."""
    from skimage.measure import label

    components, arrays = label(mask), {}
    for n in numbers:
        starts = [int(row[f"box_start_{axis}"][n]) for axis in "ijk"]
        sizes = [int(row[f"box_size_{axis}"][n]) for axis in "ijk"]
        box = tuple(slice(max(0, a - 5), a + k + 5) for a, k in zip(starts, sizes, strict=True))
        inner = tuple(slice(a, a + k) for a, k in zip(starts, sizes, strict=True))
        values, counts = np.unique(components[inner], return_counts=True)
        number = values[counts == row["voxels"][n]][0]
        box = (slice(None),) * 3 if whole else box
        arrays[f"voxels{n}"], arrays[f"mask{n}"] = voxels[box], (components[box] == number).astype(np.uint8)
    np.savez(folder / name, **arrays)
    return folder / f"{name}.npz"


def compared(ours: Any, theirs: list[list[float]]) -> dict[str, float]:
    """The largest relative difference of each figure; fails where one is not ours."""
    worst = {}
    for place, (name, column) in enumerate(FIGURES.items()):
        reference = np.array([figures[place] for figures in theirs])
        mine = ours[column].to_numpy()[: len(reference)]
        worst[name] = float((np.abs(mine - reference) / np.maximum(np.abs(reference), 1e-9)).max())
    exact = [name for name in FIGURES if name not in MESH and worst[name] > 1e-6]
    if exact:
        raise SystemExit(f"not PyRadiomics' figures: {exact}, off by {[worst[name] for name in exact]}")
    return worst


def measured(
    rounds: int, python: str, only: str, largest: float
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Median seconds of each side; of PyRadiomics how far its figures are from ours."""
    from medseg.regions import DEFAULT_FAMILIES

    voxels, mask = lesions(largest)
    sides: dict[str, Callable[[], float]] = {
        "few": timed(lambda: table(voxels, mask, ("size", "place", "intensity"))),
        "all": timed(lambda: table(voxels, mask, DEFAULT_FAMILIES)),
        "diameters": timed(diameters(voxels, mask)),
        "SimpleITK": timed(simpleitk(voxels, mask)),
        "scikit-image": timed(scikit(voxels, mask)),
        "scikit-image Feret": timed(scikit_feret(mask)),
    }
    sides = {side: run for side, run in sides.items() if side in WORKS or only in side}
    elsewhere: dict[str, Elsewhere] = {}
    row = table(voxels, mask, DEFAULT_FAMILIES)
    with tempfile.TemporaryDirectory() as name:
        for peer, count, whole in (("PyRadiomics, cropped", LESIONS, False), ("PyRadiomics, whole", UNCROPPED, True)):
            if python and only in peer:
                file = saved(Path(name), voxels, mask, row, range(count), peer, whole)
                elsewhere[peer] = Elsewhere(python, file)
                sides[peer] = elsewhere[peer].seconds
        for side in sides.values():
            side()
        found: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side, run in sides.items():
                found[side].append(run())
    worst = {peer: compared(row, other.figures) for peer, other in elsewhere.items()}
    for other in elsewhere.values():
        other.end()
    seconds = {side: statistics.median(times) for side, times in found.items()}
    if "PyRadiomics, whole" in seconds:
        seconds["PyRadiomics, whole"] *= LESIONS / UNCROPPED
    return seconds, worst


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pyradiomics-python", default="")
    parser.add_argument("--largest", type=float, default=25.0, help="mm; of the peers, Feret's time depends on it most")
    parser.add_argument("--only", default="", help="peers whose name contains this")
    options = parser.parse_args()
    seconds, worst = measured(options.rounds, options.pyradiomics_python, options.only, options.largest)
    rows = [
        {
            "work": WORKS[ours], "peer": peer, "ours_s": round(seconds[ours], 4), "peer_s": round(seconds[peer], 4),
            "ratio": round(seconds[ours] / seconds[peer], 4), "goal": goal,
        }
        for peer, (ours, goal) in GOALS.items()
        if peer in seconds
    ]  # fmt: skip
    shown = Table(title=f"{LESIONS} lesions in {'×'.join(map(str, SHAPE))}, medians of {options.rounds}, turn about")
    for name in rows[0]:
        shown.add_column(name)
    for one in rows:
        shown.add_row(*map(str, one.values()))
    Console(width=140).print(shown)
    alone = (("all", 1.5), ("diameters", 0.3))
    told = [f"{WORKS[ours]}: {seconds[ours]:.3f} s (goal {goal})\n" for ours, goal in alone]
    for peer, figures in worst.items():
        off = ", ".join(f"{name} {share:.1e}" for name, share in figures.items())
        told.append(f"largest relative differences to {peer}: {off}\n")
    sys.stdout.write("".join(told))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
