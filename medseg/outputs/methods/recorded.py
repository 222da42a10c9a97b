"""What the files of a run, of predictions and of evaluations say, as typed facts; what none of them says is None."""

import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg.errors import ConfigError
from medseg.plan import Plan, read_plan

__all__ = ["Grid", "Recorded", "Row", "Training", "read_recorded"]

Row = Mapping[str, str]


@dataclass(frozen=True)
class Grid:
    """Sizes of the training images along the axes of the RAS grid: least, median and greatest; mm where known."""

    cases: int
    shape: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    spacing_mm: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]] | None


@dataclass(frozen=True)
class Training:
    """One training: its settings as recorded, and how it went.

    Args:
        settings: `settings.json`.
        summary: `summary.json`; empty where a fitted method has none.
        sessions: `machine.json`: versions and machine of each time that it ran; empty of runs before there was such.
    """

    settings: Mapping[str, Any]
    summary: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Recorded:
    """A run.

    Args:
        folder: Its folder.
        cases: A row a case: case, patient, part, split, and what the data set says of it; none where only `split` is
            known.
        parts: Ids of the cases of each part.
        plan: Of its network; None of a fitted classical method.
        classical: `classical.json` of a fitted method.
        tried: Rows of `fit.csv`: the settings of classical methods that were tried.
        asked: `settings.json` of the run itself: of a cross-validation, by which its folds were made.
        trainings: One, or that of each fold.
        fingerprint: Summary of the training images.
        grid: Their sizes.
        bundle: `metadata.json` of the model folder.
        evaluation: `summary.json` of an evaluation; None where there is none.
        scored: A row a case of it: case and patient.
        subgroups: Rows of its `subgroups.csv`.
        leaderboard: `leaderboard.json`.
        predictions: `run.json` of predictions.
        predicted: Rows of their `cases.csv`.
    """

    folder: Path
    cases: Sequence[Row]
    parts: Mapping[str, Sequence[str]]
    plan: Plan | None
    classical: Mapping[str, Any] | None
    tried: Sequence[Row]
    asked: Mapping[str, Any]
    trainings: Sequence[Training]
    fingerprint: Mapping[str, Any]
    grid: Grid | None
    bundle: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None = None
    scored: Sequence[Row] = ()
    subgroups: Sequence[Row] = ()
    leaderboard: Mapping[str, Any] | None = None
    predictions: Mapping[str, Any] = field(default_factory=dict)
    predicted: Sequence[Row] = ()

    @property
    def folds(self) -> int:
        """How many folds there are; 0 of a single training."""
        return sum(1 for part in self.parts if part.startswith("fold "))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the training, or of the first fold."""
        return self.trainings[0].settings

    @property
    def patient_of(self) -> Mapping[str, str]:
        """The patient of each case, where it is recorded."""
        return {row["case"]: row["patient"] for row in self.cases}


def read_recorded(
    run: Path, predictions: Path | None = None, evaluation: Path | None = None, leaderboard: Path | None = None
) -> Recorded:
    """Read a finished run and what was made with it.

    Args:
        run: The folder that `medseg train` or `medseg cross-validate` wrote.
        predictions: A folder of `medseg predict`.
        evaluation: A folder of `medseg evaluate`; where left out, `evaluation` in that of the predictions, or in the
            run (the out-of-fold scores of a cross-validation).
        leaderboard: A folder of `medseg leaderboard`.

    Raises:
        ConfigError: A folder is not what it should be, or the run is not finished.
    """
    folds = _fold_runs(run)
    classical = _json(run / "model" / "classical.json")
    plan = run / "model" / "plan.json"
    first = folds[0] if folds else run
    if not ((first / "settings.json").is_file() and (run / "split.json").is_file() and (classical or plan.is_file())):
        mend = "Pass the folder that `medseg train` or `medseg cross-validate` wrote, and let it finish."
        raise ConfigError(run, "is not the folder of a finished run", mend)
    scores = evaluation or _evaluation_beside(run, predictions)
    if scores is not None and not (scores / "summary.json").is_file():
        raise ConfigError(scores, "holds no summary.json", "Pass the folder that `medseg evaluate` wrote.")
    if scores is not None and "scoring" not in _json(scores / "summary.json"):
        mend = "Evaluate again: `medseg evaluate PREDICTIONS REFERENCE`."
        raise ConfigError(scores / "summary.json", "does not say how it was scored", mend)
    if predictions is not None and not (predictions / "run.json").is_file():
        raise ConfigError(predictions, "holds no run.json", "Pass the folder that `medseg predict` wrote.")
    if leaderboard is not None and not (leaderboard / "leaderboard.json").is_file():
        raise ConfigError(leaderboard, "holds no leaderboard.json", "Pass what `medseg leaderboard --out` wrote.")
    return Recorded(
        folder=run,
        cases=_rows(run / "cases.csv"),
        parts=_parts(run, folds),
        plan=read_plan(plan) if plan.is_file() else None,
        classical=classical or None,
        tried=_rows(run / "fit.csv"),
        asked=_json(run / "settings.json"),
        trainings=[_training(one) for one in folds or [run]],
        fingerprint=_json(run / "fingerprint" / "summary.json"),
        grid=_grid(run / "fingerprint"),
        bundle=_json(run / "model" / "configs" / "metadata.json"),
        evaluation=None if scores is None else _json(scores / "summary.json"),
        scored=() if scores is None else _rows(scores / "cases.csv") or _rows(scores / "scores.csv"),
        subgroups=() if scores is None else _rows(scores / "subgroups.csv"),
        leaderboard=None if leaderboard is None else _json(leaderboard / "leaderboard.json"),
        predictions={} if predictions is None else _json(predictions / "run.json"),
        predicted=() if predictions is None else _rows(predictions / "cases.csv"),
    )


def _fold_runs(run: Path) -> list[Path]:
    count = len(_json(run / "folds.json") or ())
    return [run / f"fold{number}" for number in range(count)]


def _evaluation_beside(run: Path, predictions: Path | None) -> Path | None:
    places = [run / "evaluation"] if predictions is None else [predictions / "evaluation"]
    return next((place for place in places if (place / "summary.json").is_file()), None)


def _training(run: Path) -> Training:
    sessions = _json(run / "machine.json")
    return Training(_json(run / "settings.json"), _json(run / "summary.json"), sessions or ())


def _parts(run: Path, folds: Sequence[Path]) -> dict[str, list[str]]:
    """Cases by part; of a cross-validation those that each fold held out, and the test part apart from all."""
    whole = _json(run / "split.json")
    if not folds:
        return {part: list(names) for part, names in whole.items() if names}
    held_out = {
        f"fold {number}": sorted(set(_json(fold / "split.json").get("test", ())) - set(whole["test"]))
        for number, fold in enumerate(folds)
    }
    return held_out | ({"test": list(whole["test"])} if whole["test"] else {})


def _grid(folder: Path) -> Grid | None:
    """Of the facts that planning kept of each training case."""
    facts = [_json(path) for path in sorted(folder.glob("*.json")) if path.name != "summary.json"]
    if not facts or len(facts) != _json(folder / "summary.json").get("cases"):
        return None  # facts of files as they once were may lie there too
    spacings = [one["spacing_mm"] for one in facts]
    known = None if None in spacings else _spread(spacings)
    return Grid(len(facts), _spread([one["shape"] for one in facts]), known)


def _spread(rows: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    axes = list(zip(*rows, strict=True))
    least, middle, greatest = (tuple(float(of(axis)) for axis in axes) for of in (min, statistics.median, max))
    return least, middle, greatest


def _json(path: Path) -> Any:
    """The content of a file; an empty dictionary where there is none.

    Raises:
        ConfigError: It is no JSON.
    """
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(path, f"cannot be read ({error})", "Restore it, or make its folder again.") from error


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [{str(key): value or "" for key, value in row.items()} for row in csv.DictReader(file)]
