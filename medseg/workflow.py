"""The newcomer's way in: inspect, train, predict, evaluate and measure, each as the stages it consists of."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from medseg.atomic import write_csv
from medseg.case import Case
from medseg.config import apply_overrides, check, read_yaml
from medseg.datasets import (
    CaseTable,
    Inspection,
    Split,
    cases_from_inputs,
    inspect_dataset,
    open_dataset,
    require_no_leak,
    survey_dataset,
)
from medseg.datasets.conversion import TARGETS
from medseg.datasets.conversion_folder import Conversion
from medseg.datasets.inspection import Mend, mend_dataset
from medseg.datasets.layouts import nnunet
from medseg.errors import ConfigError, InputError
from medseg.evaluation import Evaluation, evaluate_pairs, find_pairs
from medseg.image import Image, Segmentation
from medseg.io import read_image, read_mask, read_segmentation, write_image, write_mask
from medseg.io.structures import holds_structures
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.regions import labels_of, measure_regions, measure_segmentation
from medseg.reporting import Reporter, Silent
from medseg.resample import moved, respaced

if TYPE_CHECKING:
    from medseg.batch import Predictions
    from medseg.inference.network_segmenter import NetworkSegmenter

__all__ = [
    "TrainedModel",
    "convert",
    "convert_dataset",
    "evaluate",
    "inspect",
    "load_model",
    "measure",
    "predict",
    "train",
]

_THUMBNAIL = 112  # rows of the pictures of cases


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training leaves.

    Args:
        folder: The model folder.
        run: The folder of the run, with `split.json`, `history.csv` and `curves.png`.
        history: A row an epoch.
        split: Which case was in which part.
        validation_dice: Mean Dice of the validation part with the kept weights.
        portable: Whether the model folder runs in plain MONAI.
    """

    folder: Path
    run: Path
    history: pd.DataFrame
    split: Split
    validation_dice: float
    portable: bool


def train(config: str | Path, *overrides: str, reporter: Reporter | None = None, **values: Any) -> TrainedModel:
    """Train on the labelled cases of a data set, or go on with a run that was killed; a finished one is left as it is.

    Args:
        config: A YAML file; `medseg.training.settings.TrainSettings` says what it may hold.
        *overrides: "key=value" words over it, as on the command line.
        reporter: Told of the progress.
        **values: Top-level keys over both.

    Returns:
        The model folder and what is beside it.

    Raises:
        MedsegError: A key is misspelt, a case cannot be read, a loss is not finite, ...
    """
    from medseg.training.settings import TrainSettings

    reporter = reporter or Silent()
    settings = check(TrainSettings, apply_overrides(read_yaml(Path(config)), overrides) | values, config)
    model_folder = settings.folder / "model"
    dataset = open_dataset(
        settings.dataset,
        layout=settings.layout,
        labels=Labels.from_config(settings.labels) if settings.labels else None,
        table=settings.cases,
    )
    for warning in dataset.warnings:
        reporter.say(f"Warning: {warning}")
    labels = _declared(dataset.labels, settings.dataset)
    # Torch is loaded only now, so that a mistake in the config is told at once.
    from medseg.export.bundle import write_bundle
    from medseg.outputs.curves import HistoryLog
    from medseg.training.splitting import chosen_split
    from medseg.training.stages import learn, plan_training, require_same_settings

    require_same_settings(settings)
    split = chosen_split(dataset, settings)
    _keep(split, settings.folder / "split.json")
    by_id = {case.id: case for case in dataset.cases}
    training, validation = ([by_id[i] for i in part] for part in (split.train, split.validation))
    plan = plan_training(training, labels, dataset.channels, settings, reporter)
    log = HistoryLog(settings.folder)
    trained = learn(training, validation, plan, settings, reporter, log)
    card = {
        "name": settings.name,
        "cases": f"{len(split.train)} training, {len(split.validation)} validation, {len(split.test)} test",
        "validation Dice": round(trained.best, 4),
        "seed": settings.seed,
    }
    write_bundle(model_folder, plan, trained.network, card)
    return TrainedModel(
        model_folder, settings.folder, pd.DataFrame(trained.history), split, trained.best, plan.portable
    )


def inspect(
    dataset: str | Path,
    *,
    layout: str | None = None,
    labels: Labels | None = None,
    cases: CaseTable | None = None,
    options: ReadOptions | None = None,
    jobs: int | None = None,
    page: str | Path | None = None,
    out: str | Path | None = None,
    fix: Mend | None = None,
    to: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Inspection:
    """Read a whole data set, say what is in it and what is wrong with it, and never stop at the first problem.

    Args:
        dataset: A folder, the CSV of a manifest, or an HDF5 file of many cases.
        layout: A name in `LAYOUTS`; recognised where left out.
        labels: What the values of the masks mean, where the data set does not say it.
        cases: A CSV inside the data set that gives patients and other columns.
        options: How to read, where there is a choice.
        jobs: Cases read at a time; one a processor where left out, of which each is in memory.
        page: Gets an HTML page with pictures of the distributions and of every case.
        out: Gets the table of cases as CSV.
        fix: "copy-header" or "resample": how masks that do not lie on their images are mended, in copies.
        to: A folder outside the data set for the copies and a manifest of the whole mended data set.
        reporter: Told of the progress, and of what was mended.

    Returns:
        What was found, before anything was mended.

    Raises:
        DatasetError: Nothing can be read at all: the path is missing, or no layout or more than one fits.
        InputError: Of `fix` and `to` only one is given, or the folder lies in the data set.
    """
    if (fix is None) != (to is None):
        raise InputError(
            "fix", "needs a folder for the mended copies, and such a folder a fix", "Give fix=... and to=..."
        )
    reporter = reporter or Silent()
    found = survey_dataset(dataset, layout=layout, labels=labels, table=cases)
    seen = inspect_dataset(
        found,
        lambda listed: reporter.track(listed, "Inspecting", len(listed)),
        options,
        jobs=jobs or os.cpu_count() or 1,
        thumbnails=_THUMBNAIL if page is not None else None,
    )
    if page is not None:
        from medseg.outputs.inspection_page import write_inspection_page

        write_inspection_page(Path(page), seen)
    if out is not None:
        write_csv(out, seen.table)
    if fix is not None and to is not None:
        mended = mend_dataset(seen, to, fix, options, reporter)
        reporter.say(f"{len(mended.masks)} masks mended: {mended.manifest}")
        for case, reason in mended.refused:
            reporter.say(f"not mended: {case}: {reason}")
    return seen


def load_model(
    folder: str | Path, *, device: str = "auto", precision: str = "auto", portable: bool = False
) -> "NetworkSegmenter":
    """Open a model folder; see `medseg.inference.model_folder.load_model`."""
    from medseg.inference.model_folder import load_model as open_folder

    return open_folder(folder, device=device, precision=precision, portable=portable)


def predict(
    model: "str | Path | NetworkSegmenter",
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    part: str | None = None,
    portable: bool = False,
    min_voxels: int = 0,
    reading: Mapping[str, Any] | None = None,
    command: str = "",
    reporter: Reporter | None = None,
) -> "Predictions":
    """Segment and measure files, folders of files, study folders of DICOM series, or a data set.

    Args:
        model: A model folder, the folder of its run, or an opened model.
        inputs: One or several paths.
        out: Gets `<case>/mask.nii.gz` (or .png), `<case>/preview.png`, `regions.csv`, `cases.csv`, `timings.csv`
            and `run.json`.
        part: Only this part ("test", "validation", "train") of the split that the model was trained with.
        portable: Predict exactly as the bundle does in plain MONAI.
        min_voxels: Regions with fewer voxels are left out of the table.
        reading: Fields of `ReadOptions` that are to be other than in training.
        command: The command line, for `run.json`.
        reporter: Told of the progress.

    Raises:
        MedsegError: An input does not exist, or `out` cannot be written. A case that fails is a row of `cases`.
    """
    from medseg.batch import predict_cases
    from medseg.outputs.record import write_run

    opened = load_model(model, portable=portable) if isinstance(model, (str, Path)) else model
    listed = [inputs] if isinstance(inputs, (str, Path)) else inputs
    cases = cases_from_inputs([Path(path) for path in listed], reporter)
    if part is not None:
        cases = _of_part(cases, part, model)
    plan = opened.plan.model_dump(mode="json")
    options = check(ReadOptions, opened.plan.reading.model_dump() | dict(reading or {}), "reading")
    settings = {
        "reading": options.model_dump(),
        "precision": opened.precision,
        "crop": opened.crop,
        "min_voxels": min_voxels,
    }
    write_run(Path(out) / "run.json", plan, opened.hash, command, settings)
    channels = opened.plan.channels if len(opened.plan.channels) > 1 else None
    return predict_cases(
        opened,
        cases,
        Path(out),
        reporter or Silent(),
        min_voxels=min_voxels,
        channel_names=channels,
        reading=options,
    )


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


def convert(
    source: str | Path,
    out: str | Path,
    *,
    on: str | Path | None = None,
    resample: bool = False,
    spacing_mm: Sequence[float] | None = None,
    options: ReadOptions | None = None,
) -> Image | Segmentation:
    """Read an image, or the structures of a DICOM SEG or RTSTRUCT, and write it as NIfTI (PNG in 2D).

    Args:
        source: A file, DICOM folder or address; `seg.dcm:/liver` is one structure.
        out: A .nii.gz, .nii or .png file.
        on: The image on whose grid structures or a mask are to lie; an RTSTRUCT needs it.
        resample: Resample a mask that was drawn on another grid, each label linearly, instead of refusing it.
        spacing_mm: Resample an image to this spacing, over the same extent; one number, or one an axis.
        options: How to read, where there is a choice.

    Returns:
        What was written.

    Raises:
        LabelError: Structures overlap; they are listed, to be converted one by one.
        OutputError: The ending does not fit, or the file cannot be written.
    """
    if on is None and not holds_structures(source):
        image = read_image(source, options=options)
        image = image if spacing_mm is None else respaced(image, spacing_mm)
        write_image(out, image)
        return image
    below = read_image(on, options=options) if on is not None else None
    if resample and below is not None:
        segmentation = moved(read_segmentation(source, options=options), below)
    else:
        segmentation = read_segmentation(source, on=below, options=options)
    write_mask(out, segmentation)
    return segmentation


def convert_dataset(
    source: str | Path,
    out: str | Path,
    to: str,
    *,
    layout: str | None = None,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Conversion:
    """Write a whole data set as raw data of nnU-Net v2, or as a manifest beside its files.

    A data set that was converted to nnU-Net gets its own file values back.

    Args:
        source: A data set of any layout.
        out: A new folder (for nnU-Net DatasetNNN_NAME), or one that a killed run began.
        to: "nnunet" or "manifest".
        layout: Its layout; recognised where left out.
        labels: What its masks contain; else what the data set declares.
        options: How to read, where there is a choice: `consensus`, say.
        reporter: Told of the progress.

    Returns:
        The cases as they lie in `out`, and those that could not be converted with the reason.

    Raises:
        DatasetError: The data set cannot be read, its labels are not declared, or no case could be converted.
        OutputError: `out` holds something else, or cannot be written.
    """
    if to not in TARGETS:
        raise InputError("to", f"unknown arrangement {to!r}", "Choose one of these.", ", ".join(TARGETS))
    dataset = survey_dataset(source, layout=layout, labels=labels)
    reporter = reporter or Silent()
    for warning in dataset.warnings:
        reporter.say(f"Warning: {warning}")
    before = nnunet.original_labels(dataset.root) if dataset.layout == "nnunet" and labels is None else None
    return TARGETS[to](dataset, Path(out), labels=before, options=options, reporter=reporter)


def evaluate(
    predictions: str | Path,
    reference: str | Path,
    labels: Labels | None = None,
    *,
    reading: Mapping[str, Any] | None = None,
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
    return evaluate_pairs(pairs, known, reporter or Silent(), options)


def _keep(split: Split, path: Path) -> None:
    """Save the split; a run that goes on must go on with the same cases."""
    if path.exists() and Split.load(path) != split:
        raise ConfigError(path, "the data set has other cases than when this run began", "Choose another out=...")
    split.save(path)


def _declared(labels: Labels | None, dataset: Path) -> Labels:
    if labels is None:
        mend = "Add `labels: {name: value}` to the config; `medseg inspect` shows the values found."
        raise ConfigError(dataset, "does not say what its label values mean", mend)
    return labels


def _of_part(cases: Sequence[Case], part: str, model: Any) -> list[Case]:
    """The cases of one part of the split that lies beside the model folder."""
    run = Path(model) if isinstance(model, (str, Path)) else Path()
    path = next((p for p in (run / "split.json", run.parent / "split.json") if p.exists()), None)
    parts = ("train", "validation", "test")
    if path is None or part not in parts:
        found = f"no split.json beside {run}" if path is None else "is not a part of a split"
        raise ConfigError(f"part {part}", found, "Pass the run's folder, and one of train, validation, test.")
    split = Split.load(path)
    require_no_leak(split, cases, path)
    return split.part(part, cases)


def _recorded(predictions: Path) -> dict[str, Any]:
    """What `predict` wrote of itself; nothing where something else made the masks."""
    path = predictions / "run.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
