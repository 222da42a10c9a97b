"""A training as the stages it consists of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.config import apply_overrides, check, read_yaml
from medseg.datasets import Split
from medseg.datasets.settings import chosen_split
from medseg.errors import ConfigError
from medseg.reporting import Reporter, Silent
from medseg.workflow.opening import opened_dataset

__all__ = ["TrainedModel", "train"]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training leaves.

    Args:
        folder: The model folder.
        run: The folder of the run, with `split.json`, `history.csv`, `progress.png`, `samples` and `summary.json`; of a
            classical method `fit.csv` and `fit.png`.
        history: A row an epoch; of a classical method a row a candidate.
        split: Which case was in which part.
        validation_dice: Mean Dice of the validation part with the kept weights.
        portable: Whether the model folder runs in plain MONAI.
        tables: How learning went, as a picture and as a table, by their names in `run`.
    """

    folder: Path
    run: Path
    history: pd.DataFrame
    split: Split
    validation_dice: float
    portable: bool
    tables: tuple[str, str] = ("progress.png", "history.csv")


def train(config: str | Path, *overrides: str, reporter: Reporter | None = None, **values: Any) -> TrainedModel:
    """Train on the labelled cases of a data set, or go on with a run that was killed; a finished one is left as it is.

    Args:
        config: A YAML file; `medseg.training.settings.TrainSettings` says what it may hold, and where it has
            `model: classical:...`, `medseg.classical.fit_settings.FitSettings`.
        *overrides: "key=value" words over it, as on the command line.
        reporter: Told of the progress.
        **values: Top-level keys over both.

    Returns:
        The model folder and what is beside it.

    Raises:
        MedsegError: A key is misspelt, a case cannot be read, a loss is not finite, ...
    """
    reporter = reporter or Silent()
    asked = apply_overrides(read_yaml(Path(config)), overrides) | values
    if "model" in asked:
        return _fit(asked, config, reporter)
    from medseg.training.settings import TrainSettings

    settings = check(TrainSettings, asked, config)
    model_folder = settings.folder / "model"
    dataset, labels = opened_dataset(settings, reporter)
    # Torch is loaded only now, so that a mistake in the config is told at once.
    from medseg.export.bundle import write_bundle
    from medseg.export.training_card import data_summary, label_scores
    from medseg.outputs.learnt_record import write_learnt_cases, write_machine
    from medseg.outputs.run_log import open_run_log
    from medseg.training.plan_run import plan_training
    from medseg.training.splitting import learnt_before
    from medseg.training.stages import learn, require_same_settings

    require_same_settings(settings)
    split = chosen_split(dataset, settings)
    _keep(split, settings.folder / "split.json")
    taught = learnt_before(settings.init, split) if settings.init is not None else ()
    if taught:
        listed = ", ".join(taught[:3]) + (" ..." if len(taught) > 3 else "")
        reporter.say(
            f"Warning: init has learnt from {len(taught)} of the cases held out here ({listed}), if by the "
            "same names it means the same: their scores are too good"
        )
    by_id = {case.id: case for case in dataset.cases}
    training, validation = ([by_id[i] for i in part] for part in (split.train, split.validation))
    write_learnt_cases(settings.folder / "cases.csv", dataset.cases, asdict(split))
    write_machine(settings.folder / "machine.json")
    plan = plan_training(training, labels, dataset.channels, settings, reporter)
    with open_run_log(settings, validation) as log:
        trained = learn(training, validation, plan, settings, reporter, log)
    card = {
        "name": settings.name,
        "cases": f"{len(split.train)} training, {len(split.validation)} validation, {len(split.test)} test",
        **data_summary(settings.folder / "fingerprint", training),
        "validation Dice": round(trained.best, 4),
        "validation Dice by label": label_scores(trained.history, trained.best),
        "seed": settings.seed,
    }
    saved = write_bundle(model_folder, trained.plan, trained.network, card)
    return TrainedModel(
        model_folder, settings.folder, pd.DataFrame(trained.history), split, trained.best, saved.portable
    )


def _fit(asked: Mapping[str, Any], config: str | Path, reporter: Reporter) -> TrainedModel:
    """Fit classical methods, for which no torch is loaded."""
    from medseg.classical.fit_settings import FitSettings, is_classical
    from medseg.workflow.fitting import fit_classical

    if not is_classical(asked["model"]):
        mend = "Leave `model` out to train a network (plan.network says which)."
        raise ConfigError(config, f"model = {asked['model']!r}", mend, "classical:NAME, or classical: for the best")
    settings = check(FitSettings, asked, config)
    done = fit_classical(settings, reporter)
    dice = done.dice.get("validation", done.dice["train"])["mean"]
    return TrainedModel(done.folder / "model", done.folder, done.table, done.split, dice, False, ("fit.png", "fit.csv"))


def _keep(split: Split, path: Path) -> None:
    """Save the split; a run that has begun must go on with the same cases."""
    if path.exists() and path.with_name("settings.json").exists() and Split.load(path) != split:
        raise ConfigError(path, "the data set has other cases than when this run began", "Choose another out=...")
    split.save(path)
