"""The plan of a training, before it is trained."""

from pathlib import Path
from typing import Any

from medseg.config import apply_overrides, check, read_yaml
from medseg.datasets.settings import chosen_split
from medseg.plan import Plan
from medseg.reporting import Reporter, Silent
from medseg.workflow.opening import opened_dataset

__all__ = ["make_plan"]


def make_plan(config: str | Path, *overrides: str, reporter: Reporter | None = None, **values: Any) -> Plan:
    """Plan a training as `train` would, and leave the plan in the run's folder, where `train` takes it.

    A plan that is there already is made anew, unless the run has begun: then it is that run's plan.

    Args:
        config: A YAML file; `medseg.training.settings.TrainSettings` says what it may hold.
        *overrides: "key=value" words over it, as on the command line.
        reporter: Told of the progress.
        **values: Top-level keys over both.

    Returns:
        The plan; `reasons` says why each number is what it is.

    Raises:
        MedsegError: A key is misspelt, a case cannot be read, a label is in no training case, ...
    """
    from medseg.training.settings import TrainSettings

    reporter = reporter or Silent()
    settings = check(TrainSettings, apply_overrides(read_yaml(Path(config)), overrides) | values, config)
    dataset, labels = opened_dataset(settings, reporter)
    # Torch is loaded only now, so that a mistake in the config is told at once.
    from medseg.training.plan_run import plan_training

    path = settings.folder / "plan.json"
    if (settings.folder / "settings.json").exists():
        reporter.say(f"The run in {settings.folder} has begun")
    else:
        path.unlink(missing_ok=True)
    training = chosen_split(dataset, settings).part("train", dataset.cases)
    return plan_training(training, labels, dataset.channels, settings, reporter)
