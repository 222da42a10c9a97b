"""A finished training or cross-validation: its settings, and by which model each labelled case is judged honestly."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.config import check
from medseg.datasets import Dataset, Split
from medseg.errors import ConfigError
from medseg.labels import Labels
from medseg.plan import read_plan
from medseg.reporting import Reporter
from medseg.trust import require_trust
from medseg.workflow.opening import opened_dataset

if TYPE_CHECKING:
    from medseg.training.settings import TrainSettings

__all__ = ["FinishedRun", "Judged", "open_run"]


@dataclass(frozen=True)
class Judged:
    """Cases that a model may be judged by: `part` is "validation", "test" or "out of fold"."""

    model: Path
    part: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A folder that `train` or `cross_validate` wrote.

    Args:
        folder: The folder; its model is `model`.
        settings: Of the training, or of the first fold.
        dataset: The data set as it is now.
        labels: What its masks contain.
        split: Which case was in which part; of a cross-validation, all that took part in folds are `train`.
        folds: How many folds there are; 0 of a single training.
        judged: The labelled cases that did not teach the model by which they are predicted.
    """

    folder: Path
    settings: "TrainSettings"
    dataset: Dataset
    labels: Labels
    split: Split
    folds: int
    judged: tuple[Judged, ...]


def open_run(folder: str | Path, reporter: Reporter, *, trusted: bool = False) -> FinishedRun:
    """What a run's folder says.

    Args:
        folder: Of a training or a cross-validation.
        reporter: Told of the progress.
        trusted: Its network may be somebody's own code; see `load_model`.

    Raises:
        ModelFolderError: Its network is such code, and not trusted.
        ConfigError: It is no run, or not finished.
        DatasetError: Its data set cannot be read any more.
    """
    from medseg.training.settings import TrainSettings

    root = Path(folder)
    runs = _fold_runs(root)
    record = (runs[0] if runs else root) / "settings.json"
    if not (record.is_file() and (root / "split.json").is_file() and (root / "model" / "plan.json").is_file()):
        mend = "Pass the folder that `medseg train` or `medseg cross-validate` wrote, and let it finish."
        raise ConfigError(root, "is not the folder of a finished run", mend)
    settings = check(TrainSettings, json.loads(record.read_text(encoding="utf-8")), record)
    plan = read_plan(root / "model" / "plan.json")
    # The settings too: they become the config that goes on from corrections, where a name is the user's own word.
    for name in (plan.network.name, settings.network_name or ""):
        require_trust(root, name, trusted)
    dataset, _ = opened_dataset(settings, reporter)
    split = Split.load(root / "split.json")
    judged = _of_folds(runs, root, split, dataset) if runs else _of_parts(root, split, dataset)
    # The plan keeps the order of the labels, which is that of the model's classes; the record of settings is sorted.
    return FinishedRun(
        root, settings, dataset, plan.label_set, split, len(runs), tuple(one for one in judged if one.cases)
    )


def _fold_runs(root: Path) -> list[Path]:
    if not (root / "folds.json").is_file():
        return []
    return [root / f"fold{number}" for number in range(len(json.loads((root / "folds.json").read_text())))]


def _of_parts(root: Path, split: Split, dataset: Dataset) -> list[Judged]:
    return [Judged(root, part, _labelled(getattr(split, part), dataset)) for part in ("validation", "test")]


def _of_folds(runs: Sequence[Path], root: Path, split: Split, dataset: Dataset) -> list[Judged]:
    held_out = [set(Split.load(run / "split.json").test) - set(split.test) for run in runs]
    folds = [Judged(run, "out of fold", _labelled(own, dataset)) for run, own in zip(runs, held_out, strict=True)]
    return [*folds, Judged(root, "test", _labelled(split.test, dataset))]


def _labelled(names: Sequence[str] | set[str], dataset: Dataset) -> tuple[Case, ...]:
    wanted = set(names)
    return tuple(case for case in dataset.labelled if case.id in wanted)
