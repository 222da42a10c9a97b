"""Every published figure that our scores are held to, beside ours: `python tests/benchmarks/oracles.py DATA`.

DATA is the folder of real data that holds `metrics_oracles`. Prints metric, reference, ours and difference, and ends
with an error where one is off by more than its source was rounded to.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
from rich.console import Console
from rich.table import Table

from medseg.evaluation import (
    Scoring,
    bland_altman,
    concordance,
    detections,
    intraclass_correlation,
    lesions_of,
    match_lesions,
    overlaps,
    scores_table,
    surface_distances,
)
from medseg.evaluation.borders import directed_distances
from medseg.evaluation.lesion_rows import confidences_of, lesion_rows, lesions_table
from medseg.geometry import Geometry
from medseg.labels import Labels

Row = tuple[str, str, float, float, float]  # source, metric, reference, ours, how far they may differ
ONE = Labels.from_config({"label": 1})
NAMES = {"ppv": "precision", "sensitivity": "recall", "plr": "positive_likelihood_ratio", "tp": "true_positive",
         "fp": "false_positive", "fn": "false_negative", "tn": "true_negative"}  # fmt: skip


def boxes(shape: list[int], parts: list) -> np.ndarray:
    """A mask of boxes."""
    mask = np.zeros(shape, bool)
    for part in parts:
        mask[tuple(slice(*side) for side in part)] = True
    return mask


def runs(lengths: list) -> np.ndarray:
    """A mask of runs, one row."""
    return np.concatenate([np.full(count, value, bool) for value, count in lengths])[np.newaxis]


def metrics_reloaded(root: Path) -> Iterator[Row]:
    """The figures of the pitfalls paper."""
    for case in json.loads((root / "metrics_reloaded" / "cases.json").read_text())["cases"]:
        shaped = "shape" in case
        said, true = (boxes(case["shape"], case[s]) if shaped else runs(case[f"{s}_rle"]) for s in ("pred", "ref"))
        (overlap,) = overlaps(said.astype(np.uint8), true.astype(np.uint8), ONE)
        ours = {
            name: getattr(overlap, name) for name in dir(overlap) if isinstance(getattr(overlap, name), (int, float))
        }
        ours |= {short: getattr(overlap, name) for short, name in NAMES.items()}
        if said.any() and true.any():
            grid = Geometry.from_spacing(said.shape, (1, 1))
            near, far = (surface_distances(said, true, grid, tolerance) for tolerance in (1, 2))
            ours |= {"hausdorff": near.hd, "hausdorff_95": near.hd95, "assd": near.assd, "masd": near.masd}
            ours |= {"nsd": near.nsd, "nsd_1": near.nsd, "nsd_2": far.nsd}
        for name in case.keys() & ours.keys():
            yield f"MetricsReloaded {case['id']}", name, case[name], ours[name], case["atol"]


def surface_distance(root: Path) -> Iterator[Row]:
    """The tests of DeepMind's package; those of empty masks are words, and not compared here."""
    for case in json.loads((root / "surface_distance" / "cases.json").read_text())["cases"]:
        said, true = (boxes(case["shape"], case[side]) for side in ("pred", "gt"))
        if not (said.any() and true.any()):
            continue
        grid = Geometry.from_spacing(case["shape"], case["spacing"])
        found, sides = (
            surface_distances(said, true, grid, 1, "surface-distance"),
            directed_distances(true, said, grid, "surface-distance"),
        )
        (overlap,) = overlaps(said.astype(np.uint8), true.astype(np.uint8), ONE)
        ours = {"hausdorff_100": found.hd, "hausdorff_95": found.hd95, "surface_dice_1mm": found.nsd}
        ours |= {"volumetric_dice": overlap.dice}
        source = f"surface-distance {case['id']}"
        yield from ((source, name, case[name], value, 1e-3) for name, value in ours.items())
        for place, (way, side) in enumerate(zip(("gt->pred", "pred->gt"), sides, strict=True)):
            yield source, f"average {way}", case["average_surface_distance"][place], side.mean, 1e-3
            yield source, f"overlap {way}", case["surface_overlap_1mm"][place], side.within(1) / side.weight, 1e-3


def picai_eval(root: Path) -> Iterator[Row]:
    """Ten detection maps: hits, false positives and misses of each, and the figures of all."""
    root = root / "picai_eval"
    expected = json.loads((root / "output-expected" / "metrics-full-expected.json").read_text())
    rows, scores = [], []
    for case, theirs in expected["lesion_results"].items():
        said, true = (
            np.asarray(nibabel.load(root / "test-maps" / f"{case}_{side}.nii.gz").dataobj)
            for side in ("detection_map", "label")
        )
        lesions, grid = lesions_of(said > 0), Geometry.from_spacing(said.shape, (1, 1, 1))
        match = match_lesions(lesions, lesions_of(true > 0), grid, Scoring(match="iou"))
        counts = [sum(one[0] == 1 and one[1] > 0 for one in theirs), sum(one[0] == 0 for one in theirs)]
        counts.append(sum(one[0] == 1 and one[1] == 0 for one in theirs))
        ours = match.found, match.wrong, match.missed
        named = zip(("TP", "FP", "FN"), counts, ours, strict=True)
        yield from ((f"picai_eval {case}", *one, 0) for one in named)
        rows += lesion_rows(case, "lesion", match, confidences_of(lesions, said, Scoring()), grid)
        scores.append({"case": case, "label": "lesion", "judged": True})
    (found,) = detections(lesions_table(rows), scores_table(scores))
    yield "picai_eval", "AP", expected["AP"], found.average_precision, 1e-9
    yield "picai_eval", "AUROC", expected["auroc"], found.auroc, 1e-9
    for place, row in enumerate(found.curve.itertuples()):
        yield "picai_eval", f"sensitivity at {row.threshold:g}", expected["lesion_TPR"][place], row.sensitivity, 1e-6
        yield "picai_eval", f"FP a case at {row.threshold:g}", expected["lesion_FPR"][place], row.fp_per_case, 1e-6


def agreement() -> Iterator[Row]:
    """Published examples: Bland and Altman 1986, Shrout and Fleiss 1979."""
    wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    found = bland_altman(wright, mini)
    yield "Bland and Altman 1986", "bias", -2.1, found.bias.value, 0.05
    yield "Bland and Altman 1986", "sd", 38.8, found.sd, 0.05
    yield "Bland and Altman 1986", "bias, low", -22.0, found.bias.low, 0.1
    yield "Bland and Altman 1986", "bias, high", 17.8, found.bias.high, 0.1
    yield "peak flow meters", "CCC", 0.943, concordance(wright, mini).value, 5e-4
    judges = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    yield "Shrout and Fleiss 1979", "ICC(2,1)", 0.29, intraclass_correlation(judges).value, 5e-3


def main() -> None:
    """The table."""
    root = Path(sys.argv[1]) / "metrics_oracles"
    table, off = Table(title="Published figures and ours"), 0
    for name in ("source", "metric", "reference", "ours", "difference", "within"):
        table.add_column(name)
    rows = [*metrics_reloaded(root), *surface_distance(root), *picai_eval(root), *agreement()]
    for source, metric, reference, ours, within in rows:
        apart = abs(ours - reference)
        off += apart > within
        table.add_row(source, metric, f"{reference:.6g}", f"{ours:.6g}", f"{apart:.2g}", f"{within:g}")
    Console(width=130).print(table)
    sys.stdout.write(f"{len(rows)} figures, {off} off\n")
    sys.exit(bool(off))


if __name__ == "__main__":
    main()
