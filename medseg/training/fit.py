"""Training from a network and a source of patches to the best weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning_fabric import Fabric
from torch import nn, random

from medseg.case import Case
from medseg.errors import UnreadableFileError
from medseg.plan import Plan
from medseg.reporting import Reporter
from medseg.training.checkpoint import Progress
from medseg.training.learner import Learner
from medseg.training.observer import Observer, Row
from medseg.training.patches import PatchSource
from medseg.training.run import Run
from medseg.training.settings import TrainSettings

__all__ = ["Trained", "fit"]


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Args:
        network: With the running mean of the weights that was best, float32, on the CPU.
        history: A row an epoch: epoch, step, loss, learning_rate, val_dice, val_dice_LABEL (absent where an epoch
            had no validation).
        best: Highest mean validation Dice.
        plan: The plan, whose batch may have become smaller.
    """

    network: nn.Module
    history: list[Row]
    best: float
    plan: Plan


def fit(
    network: nn.Module,
    source: PatchSource,
    validation: Sequence[Case],
    plan: Plan,
    settings: TrainSettings,
    fabric: Fabric,
    reporter: Reporter,
    observer: Observer,
    on_epoch: Callable[[Progress, Plan, str], None],
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
        observer: Shown every epoch and every validation case.
        on_epoch: Told of the progress and the plan after every epoch, and why the run is over if it is.

    Raises:
        TrainingError: The loss is not finite (the batch's cases are named), or memory does not suffice.
        UnreadableFileError: A prepared case cannot be read any more.
    """
    with random.fork_rng():
        learner = Learner.create(network, plan, settings, fabric)
        run = Run(learner, source, validation, reporter, observer, on_epoch)
        run.begin()
        while not run.ended:
            try:
                run.go_on()
            except (RuntimeError, MemoryError) as error:
                run.lower_batch(error)
            except UnreadableFileError as error:
                run.leave_out(error)
        # What came after the best validation is in `last`, and in no way needed any more.
        history, dice, plan = list(run.progress.history), run.progress.best, learner.plan
        learner.restore(run.best)
        learner.mean.copy_into(network)
    return Trained(network.eval().cpu(), history, dice, plan)
