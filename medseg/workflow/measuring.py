"""Measure any mask, and score masks against references."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.config import check
from medseg.errors import InputError
from medseg.evaluation import Evaluation, evaluate_pairs
from medseg.evaluation.pairs import paired_cases, recorded_cases
from medseg.evaluation.scoring import Tolerance
from medseg.image import Image, Segmentation
from medseg.io import read_image, read_mask, read_segmentation
from medseg.io.own_grids import in_units, read_apart
from medseg.io.structures import holds_structures
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.regions import Family, measure_segmentation
from medseg.reporting import Reporter, Silent
from medseg.workflow.measuring_cases import undeclared

__all__ = ["evaluate", "measure"]

_NAMED = 5  # references without a prediction


def measure(
    image: str | Path | Image | Sequence[str | Path],
    mask: str | Path | Sequence[str | Path] | Segmentation,
    labels: Labels | None = None,
    *,
    min_voxels: int = 0,
    options: ReadOptions | None = None,
    families: Sequence[str | Family] | None = None,
    organs: str | Path | Segmentation | None = None,
    organ_labels: Labels | None = None,
    units: Sequence[str] = (),
    channel_names: Sequence[str] | None = None,
    merge_mm: float = 0.0,
    picture: str | Path | None = None,
) -> pd.DataFrame:
    """The region table of any mask; loads no torch.

    Args:
        image: An image, its file or DICOM folder, or one file for each channel: of those, a channel that lies on
            another grid than the mask's is measured on its own.
        mask: A segmentation, or the file or files of a label map on the image's grid.
        labels: What the values mean; every value but 0 is a label of its own where left out.
        min_voxels: Regions with fewer voxels are left out.
        options: How to read, where there is a choice.
        families: Which columns, by the names in `medseg.regions.families`; "default", as where left out, stands for
            those that fit the image.
        organs: A label map of organs on the image's grid, so that each region has its organ.
        organ_labels: What its values mean; every value but 0 is an organ where left out.
        units: What each channel is in, where its file does not say so: "SUVbw" makes a PET of a NIfTI file.
        channel_names: Suffixes of the channels' columns.
        merge_mm: Fragments of a label whose nearest voxel centres lie at most so far apart are one region.
        picture: A PNG to write: the regions with the longest diameters, with their RECIST lines.

    Returns:
        A row a region; `medseg.regions.region_columns` says what the columns mean.

    Raises:
        GridMismatchError: The mask lies on another grid than the image.
    """
    read, own_grids, channel_names = _channels(image, options, units, channel_names)
    segmentation, case = _segmentation(mask, read, labels, options)
    if picture is not None:
        from medseg.outputs.lesion_sheet import write_lesions

        write_lesions(picture, read, segmentation)
    return measure_segmentation(
        read,
        segmentation,
        labels,
        case=case,
        min_voxels=min_voxels,
        merge_mm=merge_mm,
        channel_names=channel_names,
        families=families,
        organs=_organs(organs, read, organ_labels, options),
        own_grids=own_grids,
    )


def _channels(
    image: str | Path | Image | Sequence[str | Path],
    options: ReadOptions | None,
    units: Sequence[str],
    names: Sequence[str] | None,
) -> tuple[Image, dict[str, Image], Sequence[str] | None]:
    """The image on whose grid the mask lies, channels on other grids by name, and the names of the image's own."""
    if not isinstance(image, (str, Path, Image)) and not image:
        raise InputError("image", "an empty list", "Name an image, or a file for each channel.")
    if isinstance(image, (str, Path, Image)) or len(image) < 2:
        paths = image if isinstance(image, (str, Path, Image)) else image[0]
        read = paths if isinstance(paths, Image) else read_image(paths, options=options)
        _require_each(units, read.channels, "units")
        return in_units(read, dict(enumerate(units))), {}, names
    _require_each(units, len(image), "units")
    _require_each(names or (), len(image), "channel_names")
    read, numbers, elsewhere = read_apart(image, options)
    read = in_units(read, {place: units[number] for place, number in enumerate(numbers) if units})
    others = {n: in_units(one, {0: units[n]}) if units else one for n, one in elsewhere.items()}
    if not others:
        return read, {}, names
    called = names or [f"ch{number}" for number in range(len(image))]
    return read, {called[n]: one for n, one in others.items()}, [called[number] for number in numbers]


def _require_each(given: Sequence[str], channels: int, what: str) -> None:
    if given and len(given) != channels:
        raise InputError(what, f"{len(given)} for {channels} channel(s)", "Give one for each channel, in order.")


def _segmentation(
    mask: str | Path | Sequence[str | Path] | Segmentation,
    image: Image,
    labels: Labels | None,
    options: ReadOptions | None,
) -> tuple[Segmentation, str]:
    """The mask with its labels, and what its case is called."""
    if isinstance(mask, Segmentation):
        return mask, ""
    files = [mask] if isinstance(mask, (str, Path)) else list(mask)
    case = Path(files[0]).name.split(".")[0]
    if len(files) == 1 and holds_structures(files[0]):
        return read_segmentation(files[0], on=image, labels=labels, options=options), case
    placed, grid = read_mask(files, on=image, labels=labels, options=options)
    return Segmentation(placed, grid, labels or undeclared(placed, str(files[0]))), case


def _organs(
    organs: str | Path | Segmentation | None, image: Image, labels: Labels | None, options: ReadOptions | None
) -> Segmentation | None:
    if organs is None or isinstance(organs, Segmentation):
        return organs
    return _segmentation(organs, image, labels, options)[0]


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
    group_by: Sequence[str] = (),
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
        group_by: Columns of the data set's table, or of the predictions' `cases.csv`, that make subgroups.
        reporter: Told of the progress.

    Returns:
        Scores by case and label, their summary with n, and the cases that could not be scored.

    Raises:
        DatasetError: No prediction has a reference.
    """
    pairs, unpredicted = paired_cases(Path(predictions), Path(reference))
    recorded = _recorded(Path(predictions))
    known = labels or (Labels.from_config(recorded["plan"]["labels"]) if recorded else None)
    options = check(ReadOptions, recorded.get("settings", {}).get("reading", {}) | dict(reading or {}), "reading")
    evaluation = evaluate_pairs(
        pairs,
        known,
        reporter or Silent(),
        options,
        nsd_tolerance=nsd_tolerance,
        scoring=scoring,
        resample=resample,
        jobs=jobs,
        recorded=recorded_cases(predictions),
        group_by=group_by,
    )
    if not unpredicted:
        return evaluation
    some = ", ".join(unpredicted[:_NAMED]) + (" ..." if len(unpredicted) > _NAMED else "")
    told = f"without a prediction, and so not scored: {len(unpredicted)} of its cases ({some})"
    return replace(evaluation, notes=(*evaluation.notes, (Path(reference).name, told)))


def _recorded(predictions: Path) -> dict[str, Any]:
    """What `predict` wrote of itself; nothing where something else made the masks."""
    path = predictions / "run.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
