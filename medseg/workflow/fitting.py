"""Fit classical methods to the labelled cases of a data set: the best options by Dice, kept as a model folder."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.atomic import write_csv, write_json
from medseg.case import Case
from medseg.classical import METHODS, Part, open_classical
from medseg.classical.axes import Axes, axes_of
from medseg.classical.facts import CaseFacts, label_facts
from medseg.classical.fit_settings import FitSettings
from medseg.classical.options import Options
from medseg.classical.searching import search
from medseg.classical.segmenter import Classical
from medseg.datasets import Dataset, Split
from medseg.datasets.settings import chosen_split
from medseg.errors import DatasetError
from medseg.labels import Labels
from medseg.outputs.learnt_record import write_learnt_cases, write_machine
from medseg.reporting import Reporter, Silent
from medseg.training.each_case import CaseWork, for_each_case
from medseg.workflow.fitting_cases import case_dice, facts_of_case, model_dice
from medseg.workflow.fitting_record import (
    candidate_row,
    candidate_table,
    number_of,
    part_of_record,
    part_record,
    require_same,
    require_same_split,
)
from medseg.workflow.opening import opened_dataset

__all__ = ["FittedRun", "fit_classical"]

_SLOW = {"random_walker": 0.4, "chan_vese": 0.4, "geodesic": 0.4}  # share of the budget that they get
_COARSE_SHARE = 3  # the grid is tried on a third of the cases


@dataclass(frozen=True, eq=False)
class FittedRun:
    """What a fit leaves.

    Args:
        folder: The folder of the run.
        model: What was fitted; `model/classical.json` in the folder.
        split: Which case was in which part.
        table: `fit.csv`: a row a method, label and candidate.
        dice: Mean Dice of the model by part and label, and of their mean: `{"train": {...}, "validation": {...}}`.
    """

    folder: Path
    model: Classical
    split: Split
    table: pd.DataFrame
    dice: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class _Work:
    """What a search needs: the cases, in order, and where its rows go."""

    settings: FitSettings
    labels: Labels
    cases: Sequence[Case]
    facts: Sequence[CaseFacts]
    reporter: Reporter
    rows: list[dict[str, Any]] = field(default_factory=list)

    def dice(self, parts: Sequence[Part], cases: Sequence[Case], text: str) -> list[tuple[float, int]]:
        """Mean Dice of each part over cases, and over how many."""
        look = partial(case_dice, parts=parts, labels=self.labels, reading=self.settings.reading)
        done = for_each_case(look, cases, CaseWork(text, self.settings.jobs, self.settings.unreadable), self.reporter)
        return [_mean([row[place] for row in done.results]) for place in range(len(parts))]


def fit_classical(settings: FitSettings, reporter: Reporter | None = None) -> FittedRun:
    """Search the options of one or of all methods on the training part; a finished run is left as it is.

    Each label gets its own options, by the mean Dice of its own mask over training cases; of several methods that with
    the greatest mean over the labels is kept. The validation part chooses nothing.

    Raises:
        ConfigError: The folder holds a run with other settings or other cases.
        MedsegError: A case cannot be read, a label is in no training case, ...
    """
    reporter = reporter or Silent()
    folder = settings.folder
    require_same(settings)
    dataset, labels = opened_dataset(settings, reporter)
    split = chosen_split(dataset, settings)
    require_same_split(split, folder)
    if (folder / "summary.json").is_file() and (folder / "model" / "classical.json").is_file():
        reporter.say("This run is finished already")
        return _finished(folder, split)
    write_json(folder / "settings.json", json.loads(settings.model_dump_json()))
    split.save(folder / "split.json")
    write_learnt_cases(folder / "cases.csv", dataset.cases, asdict(split))
    write_machine(folder / "machine.json")
    by_id = {case.id: case for case in dataset.cases}
    training, validation = ([by_id[name] for name in part] for part in (split.train, split.validation))
    work = _looked_at(training, labels, settings, reporter)
    fits = {name: _fit_or_read(name, work, folder / "fits" / f"{name}.json") for name in settings.searched}
    best = max(fits, key=lambda name: _mean_of(fits[name].parts))
    model = _model_of(fits[best].parts, labels, dataset, settings, len(work.cases))
    dice = {
        part: _judged(model, labels, cases, settings, reporter, f"Judging on the {part} part")
        for part, cases in (("train", work.cases), ("validation", validation))
        if cases
    }
    model = Classical(model.parts, labels, model.channels, model.reading, {**model.fitted, "dice": dice})
    return _keep(folder, model, fits, best, dice, split, reporter)


@dataclass(frozen=True, eq=False)
class _Fit:
    """What the search of one method came to: a part for each label, and a row for each candidate."""

    parts: tuple[Part, ...]
    rows: list[dict[str, Any]]


def _looked_at(cases: Sequence[Case], labels: Labels, settings: FitSettings, reporter: Reporter) -> _Work:
    if not cases:
        raise DatasetError("training part", "no labelled case", "Lower `test` and `validation`, or label more cases.")
    look = partial(facts_of_case, labels=labels, reading=settings.reading)
    record = settings.folder / "left_out.csv"
    work = CaseWork("Looking at the training cases", settings.jobs, settings.unreadable, record)
    done = for_each_case(look, cases, work, reporter)
    return _Work(settings, labels, done.cases, done.results, reporter)


def _fit_or_read(method: str, work: _Work, path: Path) -> _Fit:
    """The fit of one method, or what an earlier run with the same settings, that was killed later on, kept of it."""
    if path.is_file():
        said = json.loads(path.read_text(encoding="utf-8"))
        return _Fit(tuple(part_of_record(one) for one in said["parts"]), said["rows"])
    rows: list[dict[str, Any]] = []
    parts = []
    for label in work.labels.names:
        options = _searched(method, label, work, rows)
        (score, n), *_ = work.dice([Part(label, method, options)], work.cases, f"{method}: all training cases")
        parts.append(Part(label, method, options, score))
        rows.append(candidate_row(parts[-1], "all", score, n))
    listed = [part_record(part) for part in parts]
    write_json(path, {"parts": listed, "rows": rows})
    told = ", ".join(f"{part.label} {part.dice:.3f}" for part in parts)
    work.reporter.say(f"{method}: Dice on {len(work.cases)} training cases: {told}")
    return _Fit(tuple(parts), rows)


def _searched(method: str, label: str, work: _Work, rows: list[dict[str, Any]]) -> Options:
    settings = work.settings
    facts = label_facts(work.facts, label)
    known = METHODS[method].options.model_fields
    given = {key: tuple(values) for key, values in settings.fit.items() if key in known}
    axes: Axes = axes_of(method, facts) | given
    showing = [case for case, one in zip(work.cases, work.facts, strict=True) if label in one.values]
    seen = _spread(showing + [case for case in work.cases if case not in showing], settings.fit_cases)

    def judge(candidates: Sequence[Options], stage: str) -> list[float]:
        cases = seen if stage == "fine" else _spread(seen, max(1, len(seen) // _COARSE_SHARE))
        parts = [Part(label, method, one) for one in candidates]
        scores = work.dice(parts, cases, f"{method}: {label}, {stage}")
        rows.extend(candidate_row(part, stage, *score) for part, score in zip(parts, scores, strict=True))
        return [score for score, _n in scores]

    budget = max(1, math.ceil(settings.budget * _SLOW.get(method, 1.0)))
    return search(method, axes, settings.fixed_of(method), budget, settings.seed, judge)


def _spread(cases: Sequence[Case], count: int) -> list[Case]:
    """So many of them, evenly spread."""
    count = min(count, len(cases))
    return [cases[i * len(cases) // count] for i in range(count)]


def _judged(
    model: Classical, labels: Labels, cases: Sequence[Case], settings: FitSettings, reporter: Reporter, text: str
) -> dict[str, float]:
    look = partial(model_dice, model=model, labels=labels)
    done = for_each_case(look, cases, CaseWork(text, settings.jobs, settings.unreadable), reporter)
    by_label = {name: _mean([one[name] for one in done.results])[0] for name in labels.names}
    return by_label | {"mean": _mean(list(by_label.values()))[0]}


def _model_of(
    parts: tuple[Part, ...], labels: Labels, dataset: Dataset, settings: FitSettings, cases: int
) -> Classical:
    fitted = {"name": settings.name, "data": settings.dataset.name, "cases": cases, "seed": settings.seed}
    return Classical(parts, labels, tuple(dataset.channels), settings.reading, fitted)


def _keep(
    folder: Path,
    model: Classical,
    fits: Mapping[str, _Fit],
    best: str,
    dice: Mapping[str, Mapping[str, float]],
    split: Split,
    reporter: Reporter,
) -> FittedRun:
    from medseg.outputs.fit_plot import write_fit_plot

    table = candidate_table([row for fit in fits.values() for row in fit.rows])
    write_csv(folder / "fit.csv", table)
    write_fit_plot(folder / "fit.png", table, best)
    write_json(folder / "model" / "classical.json", model.description)
    write_json(
        folder / "summary.json",
        {
            "method": best,
            "dice": dice,
            "training_dice_by_method": {name: _mean_of(fit.parts) for name, fit in fits.items()},
            "parts": [part_record(part) for part in model.parts],
            "cases": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
        },
    )  # last: its presence says that the run is finished
    reporter.say(f"Kept: {best}")
    return FittedRun(folder, model, split, table, dice)


def _finished(folder: Path, split: Split) -> FittedRun:
    said = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    dice = {part: {name: number_of(one) for name, one in by.items()} for part, by in said["dice"].items()}
    return FittedRun(folder, open_classical(folder), split, pd.read_csv(folder / "fit.csv"), dice)


def _mean(values: Sequence[float]) -> tuple[float, int]:
    """Mean of what is defined, and of how many; NaN of none."""
    known = [value for value in values if not math.isnan(value)]
    return (sum(known) / len(known) if known else math.nan), len(known)


def _mean_of(parts: Sequence[Part]) -> float:
    return _mean([math.nan if part.dice is None else part.dice for part in parts])[0]
