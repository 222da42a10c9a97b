"""The training loop: steps, validation on the native grid, checkpoints, and the budget."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

from lightning_fabric import Fabric
from torch import nn

from medseg.case import Case
from medseg.errors import TrainingError
from medseg.plan import Plan
from medseg.reporting import Reporter
from medseg.training.batch import Batch
from medseg.training.checkpoint import Progress
from medseg.training.learner import Learner
from medseg.training.patches import PatchSource
from medseg.training.settings import LearningSettings, TrainSettings
from medseg.training.validation import validate

__all__ = ["Trained", "fit"]

_CORRECTED_EVERY = 10  # steps
_CALIBRATION = 0.03  # share of a budget in minutes that measuring the speed may take
Row = dict[str, float]


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Args:
        network: With the running mean of the weights that was best, float32, on the CPU.
        history: A row an epoch: epoch, step, loss, learning_rate, val_dice, val_dice_LABEL (absent where an epoch
            had no validation).
        best: Highest mean validation Dice.
    """

    network: nn.Module
    history: list[Row]
    best: float


def fit(
    network: nn.Module,
    source: PatchSource,
    validation: Sequence[Case],
    plan: Plan,
    settings: TrainSettings,
    fabric: Fabric,
    reporter: Reporter,
    on_epoch: Callable[[Sequence[Row]], None],
) -> Trained:
    """Train to the end of the budget, or go on where a killed run stopped.

    Args:
        network: Its weights are the start, unless a checkpoint is there.
        source: Batches of patches by step.
        validation: Cases that choose the best weights.
        plan: The plan.
        settings: Budget, optimiser, and the folder of the run; checkpoints go below it.
        fabric: Device and precision.
        reporter: Told of every step.
        on_epoch: Called with the history after every epoch.

    Raises:
        TrainingError: The loss is not finite; the batch's cases are named.
    """
    folder = settings.folder / "checkpoints"
    last, best = folder / "last.pt", folder / "best.pt"
    begin = time.monotonic()
    learner = Learner.create(network, plan.label_set, settings, fabric)
    if last.exists():
        learner.restore(last)
        begin -= learner.progress.seconds
        done, total = learner.progress.step, learner.progress.total_steps
        reporter.say(f"Going on after step {done} of {total}" if done < total else "This run is finished already")
    else:
        learner.progress.total_steps = _total_steps(learner, source, validation, plan, settings)
    progress = learner.progress
    losses: list[float] = []
    for batch in _batches(source, progress):
        rate = learner.rate
        losses.append(_checked(learner.step(batch), source.names(progress.step)))
        progress.seconds = time.monotonic() - begin
        if progress.step % _CORRECTED_EVERY == 0 or progress.step >= progress.total_steps:
            _keep_to_minutes(progress, settings)
        _tell(reporter, learner, losses)
        if progress.step % settings.learning.steps_per_epoch and progress.step < progress.total_steps:
            continue
        epoch = len(progress.history) + 1
        row = {"epoch": epoch, "step": progress.step, "loss": sum(losses) / len(losses), "learning_rate": rate}
        losses = []
        if _validation_due(epoch, progress.step, progress.total_steps, settings.learning):
            row |= validate(network, learner.mean, validation, plan, fabric)
            if row["val_dice"] > progress.best:
                progress.best = row["val_dice"]
                learner.save(best)
        progress.history.append(row)
        progress.seconds = time.monotonic() - begin
        learner.save(last)
        on_epoch(progress.history)
    # What came after the best validation is in `last`, and in no way needed any more.
    history, dice = list(progress.history), progress.best
    learner.restore(best)
    learner.mean.copy_into(network)
    return Trained(network.eval().cpu(), history, dice)


def _batches(source: PatchSource, progress: Progress) -> Iterator[Batch]:
    """Batches of the steps that are left, the next one made while the network works on this one."""
    with ThreadPoolExecutor(1) as worker:
        following = worker.submit(source.batch, progress.step)
        for step in count(progress.step):
            if step >= progress.total_steps:
                return
            made = following.result()
            following = worker.submit(source.batch, step + 1)
            yield made


def _keep_to_minutes(progress: Progress, settings: TrainSettings) -> None:
    """Correct the steps of a budget in minutes by the speed seen so far, until four fifths of the time are gone.

    Other work on the machine makes the speed measured at the start wrong by a factor of ten and more.
    """
    if settings.minutes is None or progress.seconds > 0.8 * settings.minutes * 60:
        return
    left = settings.minutes * 60 - progress.seconds
    progress.total_steps = max(progress.step + int(left * progress.step / progress.seconds), progress.step + 1)


def _total_steps(
    learner: Learner, source: PatchSource, validation: Sequence[Case], plan: Plan, settings: TrainSettings
) -> int:
    """The budget in steps; minutes become steps by measuring a copy of the network at work."""
    learning = settings.learning
    if settings.minutes is None:
        return (settings.epochs or 1) * learning.steps_per_epoch
    begin = time.monotonic()
    budget = settings.minutes * 60
    copied = copy.deepcopy(learner.network)
    trial = Learner.create(copied, plan.label_set, settings, learner.fabric, total_steps=1_000_000)
    validate(trial.network, trial.mean, validation, plan, learner.fabric)
    validating = time.monotonic() - begin
    seconds: list[float] = []
    for step in count():
        before = time.monotonic()
        trial.step(source.batch(step))
        seconds.append(time.monotonic() - before)
        if step >= 5 and time.monotonic() - begin - validating > _CALIBRATION * budget:
            break
    # The first validation also warms up; it must not make a short budget vanish.
    left = max(budget - (time.monotonic() - begin) - learning.validations * validating, budget / 2)
    per_step = sum(seconds[2:]) / len(seconds[2:])  # the first two also warm the kernels up
    return max(1, int(left / per_step))


def _validation_due(epoch: int, step: int, total_steps: int, learning: LearningSettings) -> bool:
    """At evenly spread epochs, and always after the last step."""
    epochs = math.ceil(total_steps / learning.steps_per_epoch)
    every = max(1, round(epochs / learning.validations))
    return step >= total_steps or epoch % every == 0


def _checked(loss: float, cases: Sequence[str]) -> float:
    if not math.isfinite(loss):
        mend = "Lower learning.learning_rate, set learning.precision=fp32, or look at these images."
        raise TrainingError(f"batch of {', '.join(cases)}", f"the loss is {loss}", mend)
    return loss


def _tell(reporter: Reporter, learner: Learner, losses: Sequence[float]) -> None:
    progress = learner.progress
    dice = f" · Dice {progress.best:.3f}" if progress.best >= 0 else ""
    note = f"loss {sum(losses) / len(losses):.3f}{dice}"
    reporter.advance("Training", progress.step, progress.total_steps, note)
