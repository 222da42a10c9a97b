"""Measure any mask, and score masks against references."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.config import check
from medseg.evaluation import Evaluation, evaluate_pairs, find_pairs
from medseg.evaluation.scoring import Tolerance
from medseg.image import Image, Segmentation
from medseg.io import read_image, read_mask, read_segmentation
from medseg.io.structures import holds_structures
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.regions import labels_of, measure_regions, measure_segmentation
from medseg.reporting import Reporter, Silent

__all__ = ["evaluate", "measure"]


def measure(
    image: str | Path | Image | Sequence[str | Path],
    mask: str | Path | Sequence[str | Path] | Segmentation,
    labels: Labels | None = None,
    *,
    min_voxels: int = 0,
    options: ReadOptions | None = None,
) -> pd.DataFrame:
    """The region table of any mask; loads no torch.

    Args:
        image: An image, its file or DICOM folder, or one file for each channel.
        mask: A segmentation, or the file or files of a label map on the image's grid.
        labels: What the values mean; every value but 0 is a label of its own where left out.
        min_voxels: Regions with fewer voxels are left out.
        options: How to read, where there is a choice.

    Returns:
        A row a region; `medseg.regions.schema` says what the columns mean.

    Raises:
        GridMismatchError: The mask lies on another grid than the image.
    """
    read = image if isinstance(image, Image) else read_image(image, options=options)
    if isinstance(mask, Segmentation):
        return measure_segmentation(read, mask, labels, min_voxels=min_voxels)
    files = [mask] if isinstance(mask, (str, Path)) else list(mask)
    case = Path(files[0]).name.split(".")[0]
    if len(files) == 1 and holds_structures(files[0]):
        structures = read_segmentation(files[0], on=read, labels=labels, options=options)
        return measure_segmentation(read, structures, labels, case=case, min_voxels=min_voxels)
    placed, _grid = read_mask(files, on=read, labels=labels, options=options)
    return measure_regions(read, placed, labels or labels_of(placed), case=case, min_voxels=min_voxels)


def evaluate(
    predictions: str | Path,
    reference: str | Path,
    labels: Labels | None = None,
    *,
    reading: Mapping[str, Any] | None = None,
    nsd_tolerance: Tolerance = 1.0,
    scoring: Mapping[str, Any] | None = None,
    resample: bool = False,
    jobs: int | None = None,
    reporter: Reporter | None = None,
) -> Evaluation:
    """Score masks against references, each case and label on the native grid.

    A label that nobody looked for in a case has no score there, and is counted.

    Args:
        predictions: What `predict` wrote, a folder of masks, or one mask.
        reference: A data set, a folder of masks, or one mask.
        labels: What the values mean; as `predict` recorded them where left out.
        reading: Fields of `ReadOptions` that are to be other than `predict` recorded: `consensus`, say, which is what
            the masks of several readers become.
        nsd_tolerance: How far apart borders may be for the normalised surface Dice, in mm; in pixels where the
            spacing of a case is unknown. One number, or one for each label that is not to have 1.
        scoring: Further fields of `medseg.evaluation.Scoring`: {"match": "iou", "definition": "surface-distance"}, say.
        resample: Bring a prediction on another grid onto its reference's, instead of refusing it.
        jobs: Cases scored at a time, each in memory; one a processor where left out.
        reporter: Told of the progress.

    Returns:
        Scores by case and label, their summary with n, and the cases that could not be scored.

    Raises:
        DatasetError: No prediction has a reference.
    """
    pairs = find_pairs(Path(predictions), Path(reference))
    recorded = _recorded(Path(predictions))
    known = labels or (Labels.from_config(recorded["plan"]["labels"]) if recorded else None)
    options = check(ReadOptions, recorded.get("settings", {}).get("reading", {}) | dict(reading or {}), "reading")
    return evaluate_pairs(
        pairs,
        known,
        reporter or Silent(),
        options,
        nsd_tolerance=nsd_tolerance,
        scoring=scoring,
        resample=resample,
        jobs=jobs,
    )


def _recorded(predictions: Path) -> dict[str, Any]:
    """What `predict` wrote of itself; nothing where something else made the masks."""
    path = predictions / "run.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
