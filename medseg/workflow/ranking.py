"""Compare models on the same cases, from the folders that predict and evaluate wrote."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg.datasets.naming import safe_name
from medseg.errors import ConfigError, DatasetError, UnreadableFileError
from medseg.evaluation.leaderboard import Leaderboard, compare_models, require_metrics
from medseg.evaluation.scored import SCORES, Scored, read_scored, scored_of
from medseg.evaluation.scoring import Tolerance
from medseg.labels import Labels
from medseg.reporting import Reporter, Silent
from medseg.workflow.measuring import evaluate

__all__ = ["leaderboard"]

_OF_SCORES = "evaluation"


def leaderboard(
    runs: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    names: Sequence[str] = (),
    metrics: Sequence[str] = ("dice",),
    reference: str | Path | None = None,
    labels: Labels | None = None,
    reading: Mapping[str, Any] | None = None,
    nsd_tolerance: Tolerance = 1.0,
    scoring: Mapping[str, Any] | None = None,
    resample: bool = False,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    jobs: int | None = None,
    reporter: Reporter | None = None,
) -> Leaderboard:
    """Compare any number of models on the cases that all of them have, with intervals by patient and paired tests.

    Args:
        runs: Of each model a folder that `evaluate` wrote, or one of predictions with its `evaluation` in it.
        out: Folder to write to: leaderboard.csv, comparisons.csv, leaderboard.json, leaderboard.png and index.html;
            with `reference` also the evaluations, below scores/.
        names: What the models are called, in the order of the runs; by their folders where left out.
        metrics: Names of `medseg.evaluation.METRICS`.
        reference: Score the folders of predictions against it first, all alike; of folders that hold scores alone
            these are taken as they are.
        labels: With `reference`: what the values mean, as for `evaluate`.
        reading: With `reference`: as for `evaluate`.
        nsd_tolerance: With `reference`: as for `evaluate`.
        scoring: With `reference`: as for `evaluate`.
        resample: With `reference`: as for `evaluate`.
        level: Confidence of the intervals.
        resamples: Of the bootstrap and the permutation test.
        seed: Of both.
        jobs: With `reference`: cases scored at a time.
        reporter: Told of the progress.

    Raises:
        UnreadableFileError: A folder does not exist, or its scores cannot be read.
        DatasetError: A folder has no scores and there is no reference; the models have no case in common, or were
            scored by other rules or against other references.
        ConfigError: A metric is unknown, or there are not as many names as runs.
    """
    require_metrics(metrics)
    folders = [_existing(Path(run)) for run in runs]
    called = _names(folders, names)
    models: list[Scored] = []
    for name, folder in zip(called, folders, strict=True):
        if reference is None or (folder / SCORES).is_file():
            models.append(read_scored(name, _scores_of(folder)))
            continue
        (reporter or Silent()).say(f"Scoring {name}")
        evaluation = evaluate(
            folder,
            reference,
            labels,
            reading=reading,
            nsd_tolerance=nsd_tolerance,
            scoring=scoring,
            resample=resample,
            jobs=jobs,
            reporter=reporter,
        )
        if out is not None:
            evaluation.save(Path(out) / "scores" / safe_name(name))
        models.append(scored_of(name, evaluation))
    board = compare_models(models, metrics, level=level, resamples=resamples, seed=seed)
    if out is not None:
        _write(board, Path(out))
    return board


def _write(board: Leaderboard, out: Path) -> None:
    from medseg.outputs.leaderboard_page import write_leaderboard_page
    from medseg.outputs.leaderboard_plot import write_leaderboard_plot

    board.save(out)
    write_leaderboard_plot(out / "leaderboard.png", board)
    write_leaderboard_page(out / "index.html", board)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise UnreadableFileError(folder, "no such folder", "Name what predict or evaluate wrote.")
    return folder


def _scores_of(folder: Path) -> Path:
    """Where the scores of a run lie."""
    for place in (folder, folder / _OF_SCORES):
        if (place / SCORES).is_file():
            return place
    mend = f"Run `medseg evaluate {folder} DATASET` first, or give --reference DATASET."
    raise DatasetError(folder, f"no {SCORES} in it or in {_OF_SCORES}/", mend)


def _names(folders: Sequence[Path], given: Sequence[str]) -> list[str]:
    """Names as given; else of the folders, with as many of those above as tell them apart."""
    if given:
        if len(given) != len(folders):
            raise ConfigError("name", f"{len(given)} for {len(folders)} runs", "Give one for each run, in their order.")
        if len({safe_name(name).casefold() for name in given}) < len(given):
            raise ConfigError("name", ", ".join(given), "Give names that differ as names of folders do.")
        return list(given)
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ConfigError(twice, "is given twice", "Name each run once.")
    parts = [path.parts[:-1] if path.name == _OF_SCORES and len(path.parts) > 2 else path.parts for path in paths]
    deepest = max((len(one) for one in parts), default=1)
    for depth in range(1, deepest + 1):
        names = ["/".join(one[-depth:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]  # OUT and OUT/evaluation are both there
