"""Open a model, and segment and measure what it is given."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.config import check
from medseg.datasets import (
    Split,
    cases_from_inputs,
    require_no_leak,
)
from medseg.errors import ConfigError
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent

if TYPE_CHECKING:
    from medseg.batch import Predictions
    from medseg.image import Segmentation
    from medseg.inference.network_segmenter import NetworkSegmenter


__all__ = ["load_model", "predict", "predict_with"]


def load_model(
    folder: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    portable: bool = False,
    trusted: bool = False,
) -> "NetworkSegmenter":
    """Open a model folder; see `medseg.inference.model_folder.load_model`."""
    from medseg.inference.model_folder import load_model as open_folder

    return open_folder(folder, device=device, precision=precision, portable=portable, trusted=trusted)


def predict(
    model: "str | Path | NetworkSegmenter",
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    part: str | None = None,
    portable: bool = False,
    trusted: bool = False,
    min_voxels: int = 0,
    reading: Mapping[str, Any] | None = None,
    command: str = "",
    reporter: Reporter | None = None,
) -> "Predictions":
    """Segment and measure files, folders of files, study folders of DICOM series, or a data set.

    Args:
        model: A model folder, the folder of its run, or an opened model.
        inputs: One or several paths.
        out: Gets `<case>/mask.nii.gz` (or .png; of labels that overlap `mask_LABEL.nii.gz`), `<case>/preview.png`,
            `regions.csv`, `cases.csv`, `timings.csv` and `run.json`.
        part: Only this part ("test", "validation", "train") of the split that the model was trained with.
        portable: Predict exactly as the bundle does in plain MONAI.
        trusted: A network that is somebody's own code, or its exported program, may run; see `load_model`.
        min_voxels: Regions with fewer voxels are left out of the table.
        reading: Fields of `ReadOptions` that are to be other than in training.
        command: The command line, for `run.json`.
        reporter: Told of the progress.

    Raises:
        MedsegError: An input does not exist, or `out` cannot be written. A case that fails is a row of `cases`.
    """
    opened = load_model(model, portable=portable, trusted=trusted) if isinstance(model, (str, Path)) else model
    listed = [inputs] if isinstance(inputs, (str, Path)) else inputs
    cases = cases_from_inputs([Path(path) for path in listed], reporter)
    if part is not None:
        cases = _of_part(cases, part, model)
    options = check(ReadOptions, opened.plan.reading.model_dump() | dict(reading or {}), "reading")
    return predict_with(
        opened, cases, Path(out), reporter or Silent(), min_voxels=min_voxels, reading=options, command=command
    )


def predict_with(
    model: "NetworkSegmenter",
    cases: Sequence[Case],
    out: Path,
    reporter: Reporter,
    *,
    min_voxels: int = 0,
    reading: ReadOptions | None = None,
    command: str = "",
    look: Callable[[Case, "Segmentation"], None] | None = None,
) -> "Predictions":
    """Segment and measure cases by an opened model, with the record of what did it; see `predict`.

    With `look`, each segmentation has its probabilities and is shown to it before it is written.
    """
    from medseg.batch import predict_cases
    from medseg.outputs.record import write_run

    plan = model.plan
    options = reading or plan.reading
    settings = {
        "reading": options.model_dump(),
        "precision": model.precision,
        "crop": model.crop,
        "min_voxels": min_voxels,
    }
    write_run(out / "run.json", plan.model_dump(mode="json"), model.hash, command, settings)
    channels = plan.channels if len(plan.channels) > 1 else None
    return predict_cases(
        model,
        cases,
        out,
        reporter,
        min_voxels=min_voxels,
        channel_names=channels,
        reading=options,
        look=look,
    )


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
