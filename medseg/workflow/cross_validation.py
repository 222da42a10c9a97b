"""A cross-validation: a training for each fold, out-of-fold figures, post-processing, and the folds as one model."""

import html
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from medseg.atomic import json_text, write_csv, write_json, write_text
from medseg.case import Case
from medseg.config import apply_overrides, check, read_yaml
from medseg.datasets import Dataset, Split, save_folds
from medseg.errors import ConfigError
from medseg.evaluation import Evaluation, evaluate_pairs
from medseg.evaluation.choosing import Choice, choose_postprocessing
from medseg.labels import Labels
from medseg.plan import Postprocessing
from medseg.reporting import Reporter, Silent
from medseg.workflow.held_out import judged_pairs, predict_held_out
from medseg.workflow.opening import opened_dataset
from medseg.workflow.training import train

if TYPE_CHECKING:
    from medseg.training.folding import Fold
    from medseg.training.settings import TrainSettings

__all__ = ["CrossValidation", "cross_validate"]


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What a cross-validation leaves.

    Args:
        folder: `fold0`, `fold1` ... (a run each), `out_of_fold` (masks of the cases held out, by fold), `evaluation`,
            `plan.json`, `settings.json`, `folds.json`, `folds.csv`, `postprocessing.csv`, `split.json` and `model`.
        model: The folds as one model folder.
        folds: The folder of each fold's run.
        evaluation: Scores of all out-of-fold masks as predicted, before any post-processing.
        by_fold: Mean Dice by label in each fold, their mean and standard deviation.
        choice: The post-processing that is stored in the model, and what was tried.
    """

    folder: Path
    model: Path
    folds: tuple[Path, ...]
    evaluation: Evaluation
    by_fold: pd.DataFrame
    choice: Choice

    @property
    def postprocessing(self) -> Postprocessing:
        """What is done to the masks of the model."""
        return self.choice.postprocessing

    @property
    def dice(self) -> dict[str, float]:
        """Mean out-of-fold Dice: `before` post-processing, `after` it, and `honest`, chosen without the own fold."""
        steps = {"before": "none", "after": "chosen", "honest": "chosen without the fold"}
        return {name: self.choice.mean(step) for name, step in steps.items()}

    def to_json(self) -> str:
        """Figures and places as JSON text."""
        places = {"folder": self.folder, "model": self.model, "folds": self.folds}
        chosen = self.postprocessing.model_dump(mode="json")
        figures = {"dice": self.dice, "by_fold": self.by_fold.to_dict("records"), "postprocessing": chosen}
        return json_text(places | figures | {"evaluation": self.evaluation.to_dict()})

    def _repr_html_(self) -> str:
        folds = self.by_fold.to_html(index=False, float_format="{:.3f}".format, na_rep="")
        figures = ", ".join(f"{name} {value:.3f}" for name, value in self.dice.items())
        title = html.escape(f"{len(self.folds)} folds in {self.folder}; Dice with post-processing: {figures}")
        return f"<p>{title}</p>{folds}{self.evaluation._repr_html_()}"


def cross_validate(
    config: str | Path, *overrides: str, reporter: Reporter | None = None, **values: Any
) -> CrossValidation:
    """Train a model for each fold, judge each by the patients held out from it, and join them; goes on if killed.

    The cases held out choose nothing in their fold: see `medseg.training.folding`. They choose the post-processing
    together, whose honest figure is that of each fold by what the others chose.

    Args:
        config: As for `train`; `folds` (5 where left out) or `split`, a file of folds, say which. A budget is that of
            each fold. The share `test` of the patients takes part in no fold: 0 lets all take part.
        *overrides: "key=value" words over it, as on the command line.
        reporter: Told of the progress.
        **values: Top-level keys over both.

    Raises:
        DatasetError: There are too few patients for the folds.
        MedsegError: As `train`. A case held out that cannot be predicted is among the evaluation's failures.
    """
    from medseg.training.folding import FOLDS, folds_of
    from medseg.training.settings import TrainSettings

    reporter = reporter or Silent()
    given = apply_overrides(read_yaml(Path(config)), overrides) | values
    given |= {"fold": 0} if given.get("split") else {"fold": 0, "folds": given.get("folds") or FOLDS}
    settings = check(TrainSettings, given, config)
    if settings.plan.get("postprocessing"):
        mend = "Leave it away, or set it in the model's plan.json afterwards."
        raise ConfigError("plan.postprocessing", "is what the folds are there to choose", mend)
    dataset, labels = opened_dataset(settings, reporter)
    folds = folds_of(dataset, settings)
    _keep([fold.split for fold in folds], settings.folder / "folds.json")
    write_json(settings.folder / "settings.json", json.loads(settings.model_dump_json()))
    _plan(folds, dataset, labels, settings, reporter)
    runs, parts = [], []
    for number, fold in enumerate(folds):
        reporter.say(f"Fold {number} of {len(folds)}: {len(fold.held_out)} cases held out")
        run = settings.folder / f"fold{number}"
        _train_fold(config, overrides, values, settings, run, number, reporter)
        cases = [case for case in dataset.cases if case.id in set(fold.held_out)]
        masks = settings.folder / "out_of_fold" / run.name
        components = predict_held_out(run, cases, masks, labels, reporter, named=settings.network_name)
        runs.append(run)
        parts.append((cases, masks, components.assign(fold=number)))
    pairs = [pair for cases, masks, _ in parts for pair in judged_pairs(cases, masks)]
    evaluation = evaluate_pairs(pairs, labels, reporter, settings.reading)
    evaluation.save(settings.folder / "evaluation")
    by_fold = _by_fold(evaluation, [cases for cases, _, _ in parts])
    write_csv(settings.folder / "folds.csv", by_fold)
    choice = choose_postprocessing(pd.concat([rows for *_, rows in parts], ignore_index=True), labels.names)
    write_csv(settings.folder / "postprocessing.csv", choice.tried)
    model = settings.folder / "model"
    done = CrossValidation(settings.folder, model, tuple(runs), evaluation, by_fold, choice)
    _join(done, settings.name, settings.seed, dataset, [fold.held_out for fold in folds])
    return done


def _keep(splits: Sequence[Split], path: Path) -> None:
    """Save the folds; a cross-validation that goes on must go on with the same."""
    now = [{part: list(names) for part, names in asdict(split).items()} for split in splits]
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != now:
        raise ConfigError(path, "the folds or the cases are others than when this began", "Choose another out=...")
    save_folds(path, splits)


def _plan(
    folds: "Sequence[Fold]", dataset: Dataset, labels: Labels, settings: "TrainSettings", reporter: Reporter
) -> None:
    """One plan for all folds, since models are joined on one grid and in one normalisation.

    It is made from all cases that take part, as nnU-Net's is: sizes, spacings and statistics of intensities of those
    held out are in it, but nothing is learnt from them.
    """
    from medseg.training.plan_run import plan_training

    learnt = {case for fold in folds for case in fold.held_out}
    cases = [case for case in dataset.cases if case.id in learnt]
    plan_training(cases, labels, dataset.channels, settings, reporter)


def _train_fold(
    config: str | Path,
    overrides: Sequence[str],
    values: dict[str, Any],
    settings: "TrainSettings",
    run: Path,
    number: int,
    reporter: Reporter,
) -> None:
    """Train one fold, or go on; of one that is finished only the settings are compared."""
    from medseg.training.stages import require_same_settings

    own = {
        "out": run,
        "name": f"{settings.name}-fold{number}",
        "split": run.parent / "folds.json",
        "fold": number,
        "folds": None,
        "stratify": None,
    }
    if (run / "model" / "plan.json").exists():
        given = apply_overrides(read_yaml(Path(config)), overrides) | values | own
        require_same_settings(check(type(settings), given, config))
        reporter.say(f"{run} is finished already")
        return
    if not (run / "plan.json").exists():
        write_text(run / "plan.json", (run.parent / "plan.json").read_text(encoding="utf-8"))
    train(config, *overrides, reporter=reporter, **(values | own))
    # Prepared cases are as large as the data set; k folds of them would fill a disk, and nobody needs them any more.
    shutil.rmtree(run / "cache", ignore_errors=True)


def _by_fold(evaluation: Evaluation, parts: Sequence[Sequence[Case]]) -> pd.DataFrame:
    """A row a label: mean Dice over the cases of each fold, then mean and sample standard deviation of the folds."""
    from medseg.evaluation import summarise

    fold_of = {case.id: number for number, cases in enumerate(parts) for case in cases}
    numbers = evaluation.cases["case"].map(fold_of)
    columns = {}
    for number in range(len(parts)):
        summary = summarise(evaluation.cases[numbers == number])
        columns[f"fold{number}"] = summary[summary["metric"] == "dice"].set_index("label")["mean"]
    table = pd.DataFrame(columns)
    mean, sd = table.mean(axis=1), table.std(axis=1, ddof=1)
    return table.assign(mean=mean, sd=sd).rename_axis("label").reset_index()


def _join(done: CrossValidation, name: str, seed: int, dataset: Dataset, held_out: Sequence[Sequence[str]]) -> None:
    """The folds as one model folder, with the split that tells who took part in none."""
    from medseg.export.ensembling import write_ensemble
    from medseg.export.training_card import data_summary
    from medseg.outputs.learnt_record import write_learnt_cases

    learnt = tuple(sorted(case for fold in held_out for case in fold))
    test = Split.load(done.folds[0] / "split.json").test
    apart = tuple(sorted(set(test) - set(learnt)))
    Split(learnt, (), apart).save(done.folder / "split.json")
    parts = {f"fold {number}": names for number, names in enumerate(held_out)} | {"test": apart}
    write_learnt_cases(done.folder / "cases.csv", dataset.cases, parts)
    card = {
        "name": name,
        "cases": f"{len(learnt)} in {len(done.folds)} folds, {len(apart)} test",
        **data_summary(done.folder / "fingerprint", [case for case in dataset.cases if case.id in set(learnt)]),
        "out-of-fold Dice": round(done.dice["before"], 4),
        "after post-processing": round(done.dice["after"], 4),
        "after post-processing, chosen without the own fold": round(done.dice["honest"], 4),
        "seed": seed,
    }
    models = [run / "model" for run in done.folds]  # whose networks are the config's: `predict_held_out` looked
    write_ensemble(done.model, models, card, postprocessing=done.postprocessing, trusted=True)
