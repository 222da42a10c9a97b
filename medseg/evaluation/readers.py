"""How far several readers of the same images agree, with one another and with their STAPLE consensus."""

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.case import Case
from medseg.datasets import Dataset
from medseg.errors import MedsegError
from medseg.evaluation.scores import overlaps
from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels, labels_of
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONSENSUS_READER", "READER_COLUMNS", "reader_agreement", "summarise_readers"]

CONSENSUS_READER = "(consensus)"
READER_COLUMNS = {
    **dict.fromkeys(("case", "label", "reader", "other"), "str"),
    **dict.fromkeys(("dice", "iou", "sensitivity", "specificity", "voxels", "other_voxels"), "float64"),
    **dict.fromkeys(("volume_ml", "other_volume_ml", "area_mm2", "other_area_mm2"), "float64"),
    "error": "str",
}
_BOX = Labels.from_config({"label": 1})


def reader_agreement(
    dataset: Dataset, options: ReadOptions | None = None, reporter: Reporter | None = None
) -> "pd.DataFrame":
    """Compare the masks of every two readers of a case, and of each reader with the consensus of all.

    The consensus is taken of each label alone: voxels that STAPLE (Warfield et al. 2004; SimpleITK's) holds for more
    likely the label than not; sensitivity and specificity are STAPLE's estimates for the reader. What a
    reader left unjudged (the ignore value) counts for none.

    Args:
        dataset: Cases without masks of readers are passed over.
        options: How images and masks are read.
        reporter: Shows the progress.

    Returns:
        One row a case, label and pair, with the columns of `READER_COLUMNS`: Dice and IoU (NaN where both are empty),
        voxels, and volumes or, in 2D, areas where the spacing is known. `other` is "(consensus)" in the rows that
        have a sensitivity. A case that cannot be read is one row with its `error`.

    Raises:
        LabelError: No labels are declared, and the masks hold more values than label maps can have.
    """
    import pandas as pd

    options, reporter = options or ReadOptions(), reporter or Silent()
    read = [case for case in dataset.cases if case.readers]
    labels = dataset.labels or _labels_in(read, options)
    rows: list[dict[str, Any]] = []
    for case in reporter.track(read, "Comparing the readers", len(read)):
        try:
            rows += _rows(case, labels, options)
        except MedsegError as error:
            rows.append({"case": case.id, "error": str(error)})
    blank = {name: "" for name, kind in READER_COLUMNS.items() if kind == "str"}
    return pd.DataFrame([blank | row for row in rows], columns=list(READER_COLUMNS)).astype(READER_COLUMNS)


def summarise_readers(agreement: "pd.DataFrame") -> "pd.DataFrame":
    """Mean, sd, median and least Dice of each label and pair over the cases, n, and n of those empty in both masks."""
    import pandas as pd

    scored = agreement[agreement["error"] == ""]
    rows = []
    for (label, reader, other), group in scored.groupby(["label", "reader", "other"], sort=False):
        dice = group["dice"].dropna()
        figures = {"mean": dice.mean(), "sd": dice.std(ddof=1), "median": dice.median(), "min": dice.min()}
        rows.append(
            {"label": label, "reader": reader, "other": other}
            | {f"{name}_dice": value for name, value in figures.items()}
            | {"n": len(dice), "n_empty": len(group) - len(dice)}
        )
    columns = ["label", "reader", "other", "mean_dice", "sd_dice", "median_dice", "min_dice", "n", "n_empty"]
    return pd.DataFrame(rows, columns=columns)


def _labels_in(cases: list[Case], options: ReadOptions) -> Labels | None:
    """A label for each value in the masks that can be read."""
    found: set[int] = set()
    for case in cases:
        try:
            found |= {int(value) for mask in _masks(case, None, options)[0].values() for value in np.unique(mask)}
        except MedsegError:
            continue  # told when the case is compared
    return labels_of(np.array(sorted(found), dtype=np.int64), where="masks") if found - {0} else None


def _masks(case: Case, labels: Labels | None, options: ReadOptions) -> tuple[dict[str, np.ndarray], Geometry]:
    from medseg.io import read_case_image, read_reader_masks

    image = read_case_image(case, options)
    found = read_reader_masks(case, image, labels, options)
    return {name: label_map.mask for name, label_map in found.items()}, image.geometry


def _rows(case: Case, labels: Labels | None, options: ReadOptions) -> Iterator[dict[str, Any]]:
    masks, grid = _masks(case, labels, options)
    if labels is None:
        return
    for place, label in enumerate(labels.labels):
        if label.name not in labels.judged(case.annotated):
            continue
        # What one of them did not judge is compared for none.
        judged = ~np.any([_unjudged(mask, place, labels) for mask in masks.values()], axis=0)
        drawn = {
            name: (np.isin(mask, label.values) if labels.exclusive else mask[place] == 1)[judged].astype(np.uint8)
            for name, mask in masks.items()
        }
        about = {"case": case.id, "label": label.name}
        for one, other in combinations(drawn, 2):
            yield about | {"reader": one, "other": other} | _compared(drawn[one], drawn[other], grid)
        if len(drawn) > 1:
            yield from (about | row for row in _against_consensus(drawn, grid))


def _unjudged(mask: np.ndarray, place: int, labels: Labels) -> np.ndarray:
    if not labels.exclusive:
        return mask[place] == IGNORE_INDEX
    return np.zeros(mask.shape, bool) if labels.ignore is None else mask == labels.ignore


def _compared(one: np.ndarray, other: np.ndarray, grid: Geometry) -> dict[str, float]:
    (overlap,) = overlaps(one, other, _BOX)
    voxels, others = int(one.sum()), int(other.sum())
    sizes: dict[str, float] = {"voxels": voxels, "other_voxels": others}
    if grid.spacing_known:
        name, scale = ("volume_ml", 1000) if grid.ndim == 3 else ("area_mm2", 1)
        each = math.prod(grid.spacing_mm) / scale
        sizes |= {name: voxels * each, f"other_{name}": others * each}
    return {"dice": overlap.dice, "iou": overlap.iou, **sizes}


def _against_consensus(drawn: Mapping[str, np.ndarray], grid: Geometry) -> Iterator[dict[str, Any]]:
    import SimpleITK as sitk  # noqa: N813 (its usual name)

    if not any(mask.any() for mask in drawn.values()):
        empty = np.zeros_like(next(iter(drawn.values())))
        yield from ({"reader": name, "other": CONSENSUS_READER} | _compared(empty, empty, grid) for name in drawn)
        return
    staple = sitk.STAPLEImageFilter()
    staple.SetForegroundValue(1)
    likely = staple.Execute([sitk.GetImageFromArray(mask.reshape(1, -1)) for mask in drawn.values()])
    consensus = (sitk.GetArrayFromImage(likely).reshape(-1) > 0.5).astype(np.uint8)
    rates = zip(drawn.items(), staple.GetSensitivity(), staple.GetSpecificity(), strict=True)
    for (name, mask), sensitivity, specificity in rates:
        known = {"sensitivity": sensitivity, "specificity": specificity}
        yield {"reader": name, "other": CONSENSUS_READER} | known | _compared(mask, consensus, grid)
