"""How long a training goes on: epochs or minutes, validations evenly spread, and an early end."""

import math
import time
from collections.abc import Sequence

from medseg.case import Case
from medseg.training.checkpoint import Progress
from medseg.training.learner import Learner
from medseg.training.patches import PatchSource
from medseg.training.schedules import without_better
from medseg.training.settings import TrainSettings
from medseg.training.validation import validate

__all__ = ["ended_early", "keep_to_minutes", "measure_speed", "planned_steps", "validation_due"]

_TRIAL_STEPS = 3  # of which the first also warms the kernels up
_VALIDATING = 0.25  # largest share of a budget in minutes that validations may take


def planned_steps(progress: Progress, settings: TrainSettings) -> int:
    """The budget in steps; of minutes, as many as the speed measured allows."""
    if settings.minutes is None:
        return (settings.epochs or 1) * settings.learning.steps_per_epoch
    return max(1, _steps_left(progress, settings))


def measure_speed(learner: Learner, source: PatchSource, validation: Sequence[Case]) -> tuple[float, float]:
    """Seconds of a step and of a validation, by a copy of the network at work on a few steps and one case."""
    trial = learner.copy()
    times = []
    for step in range(_TRIAL_STEPS):
        before = time.monotonic()
        trial.step(source.batch(step))
        times.append(time.monotonic() - before)
    before = time.monotonic()
    validate(trial.network, trial.mean, validation[:1], trial.plan, trial.fabric)
    return min(times), (time.monotonic() - before) * len(validation)


def keep_to_minutes(progress: Progress, settings: TrainSettings) -> None:
    """Correct the steps of a budget in minutes by the speed of the last steps and the validations to come.

    Other work on the machine makes a speed that was measured once wrong by a factor of ten and more.
    """
    if settings.minutes is not None:
        progress.total_steps = max(1, progress.step + _steps_left(progress, settings))


def validation_due(progress: Progress, settings: TrainSettings) -> bool:
    """Whether the epoch that ends now is validated: evenly spread, and always the last."""
    if progress.step >= progress.total_steps:
        return True
    epochs = math.ceil(progress.total_steps / settings.learning.steps_per_epoch)
    every = max(1, round(epochs / _validations(progress, settings)))
    since = 1  # the epoch that ends now, which has no row yet
    for row in reversed(progress.history):
        if "val_dice" in row:
            break
        since += 1
    return since >= every


def ended_early(progress: Progress, settings: TrainSettings) -> bool:
    """Whether the Dice has not become better for as many validations as the settings have patience."""
    patience = settings.learning.patience
    return patience is not None and without_better(progress.dices) >= patience


def _steps_left(progress: Progress, settings: TrainSettings) -> int:
    left = (settings.minutes or 0) * 60 - progress.seconds
    to_come = max(1, _validations(progress, settings) - len(progress.dices))
    epochs_left = math.ceil(max(1, left / progress.step_seconds) / settings.learning.steps_per_epoch)
    left -= min(to_come, epochs_left) * progress.validation_seconds
    return max(0, int(left / progress.step_seconds))


def _validations(progress: Progress, settings: TrainSettings) -> int:
    """How many there are in all: fewer than wished where they would eat up a budget in minutes."""
    wished = settings.learning.validations
    if settings.minutes is None or not progress.validation_seconds:
        return wished
    return min(wished, max(1, int(_VALIDATING * settings.minutes * 60 / progress.validation_seconds)))
