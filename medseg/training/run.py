"""A training on its way: steps and epochs, what they leave on the disk, and going on where something failed."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from medseg.case import Case
from medseg.errors import TrainingError, UnreadableFileError
from medseg.plan import Plan
from medseg.reporting import Reporter
from medseg.training.batches import batches_ahead
from medseg.training.budget import ended_early, keep_to_minutes, measure_speed, planned_steps, validation_due
from medseg.training.checkpoint import Progress
from medseg.training.learner import Learner
from medseg.training.observer import Judged, Observer, Row
from medseg.training.patches import PatchSource
from medseg.training.settings import TrainSettings
from medseg.training.shortage import halved, is_shortage, shortage
from medseg.training.validation import validate

__all__ = ["Run"]

_RECENT = 0.1  # share of the last step in the running mean of a step's seconds


@dataclass(eq=False)
class Run:
    """A training on its way.

    Args:
        learner: The network and all that learning changes.
        source: Batches of patches by step.
        validation: Cases that choose the best weights.
        reporter: Told of every step.
        observer: Shown every epoch and every validation case.
        on_epoch: Told of the progress and the plan after every epoch, and why the run is over if it is.
        losses: Of the epoch under way.
        seen: Until when time is counted in the progress.
    """

    learner: Learner
    source: PatchSource
    validation: Sequence[Case]
    reporter: Reporter
    observer: Observer
    on_epoch: Callable[[Progress, Plan, str], None]
    losses: list[float] = field(default_factory=list)
    seen: float = field(default_factory=time.monotonic)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self.learner.progress

    @property
    def settings(self) -> TrainSettings:
        """Of the whole training."""
        return self.learner.settings

    @property
    def best(self) -> Path:
        """Checkpoint of the best validation."""
        return self.settings.folder / "checkpoints" / "best.pt"

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch."""
        return self.best.with_name("last.pt")

    @property
    def ended(self) -> str:
        """Why it is over; empty while it goes on."""
        progress = self.progress
        if not progress.history or progress.step > progress.epoch_step:
            return ""
        if ended_early(progress, self.settings):
            return f"early: {self.settings.learning.patience} validations brought no better Dice"
        return "the budget is used up" if progress.step >= progress.total_steps else ""

    def begin(self) -> None:
        """Go back to the last checkpoint, where there is one."""
        self.learner.compile(self.reporter)
        if not self.last.exists():
            self.progress.total_steps = 0  # until it is planned
            return
        self.learner.restore(self.last)
        for case in self.progress.left_out:
            self._without(case)
        self.observer.epoch(self.progress.history)
        done, total = self.progress.step, self.progress.total_steps
        self.reporter.say("This run is finished already" if self.ended else f"Going on after step {done} of {total}")

    def go_on(self) -> None:
        """Take steps until the run is over, or something fails; what failed has then changed nothing."""
        progress, learning = self.progress, self.settings.learning
        if not progress.total_steps:
            self._plan_steps()
        if self._epoch_is_over():  # its validation failed
            self._end_epoch()
        on_gpu = self.learner.fabric.device.type == "cuda"
        workers = learning.workers or (8 if on_gpu else 1)
        with closing(batches_ahead(self.source, progress.step, workers, pinned=on_gpu)) as batches:
            while not self.ended:
                before = time.monotonic()
                batch = next(batches)
                progress.waiting += time.monotonic() - before
                rate, cases = self.learner.rate, self.source.names(progress.step)
                self.losses.append(_checked(self.learner.step(batch), cases))
                self._count_time()
                keep_to_minutes(progress, self.settings)
                self._tell()
                if self._epoch_is_over():
                    self._end_epoch(rate)

    def lower_batch(self, error: BaseException) -> None:
        """Halve the batch where memory did not suffice and the settings allow it; raise otherwise."""
        if not is_shortage(error):
            raise error
        plan = self.learner.plan
        if not self.settings.learning.lower_batch or plan.batch_size == 1:
            raise shortage(error, plan, self.learner.fabric.device) from error
        smaller = halved(plan, self.settings.folder / "plan.json")
        self.learner.plan = smaller
        self.source = replace(self.source, batch_size=smaller.batch_size)
        self.learner.forget_gradients()
        self.reporter.say(f"Warning: memory did not suffice; batches of {smaller.batch_size} from here on")

    def leave_out(self, error: UnreadableFileError) -> None:
        """Go on without the case that the error is about, where the settings allow it; raise otherwise."""
        parts = [{case.id for case in cases} for cases in (self.source.cases, self.validation)]
        part = next((names for names in parts if error.where in names), set())
        if self.settings.unreadable != "leave_out" or len(part) < 2:  # of another file, or the last of its part
            raise error
        self.progress.left_out[error.where] = str(error)
        self._without(error.where)
        self.reporter.say(f"Warning: left out from here on: {error}")

    def _without(self, case: str) -> None:
        self.source = replace(self.source, cases=[one for one in self.source.cases if one.id != case])
        self.validation = [one for one in self.validation if one.id != case]

    def _plan_steps(self) -> None:
        progress = self.progress
        if self.settings.minutes is not None:
            progress.step_seconds, progress.validation_seconds = measure_speed(
                self.learner, self.source, self.validation
            )
            self._count_time(of_a_step=False)
        progress.total_steps = planned_steps(progress, self.settings)

    def _epoch_is_over(self) -> bool:
        progress = self.progress
        if progress.step == progress.epoch_step:
            return False
        return progress.step >= progress.total_steps or progress.step % self.settings.learning.steps_per_epoch == 0

    def _end_epoch(self, rate: float | None = None) -> None:
        """Validate where it is due, record, save."""
        progress = self.progress
        row = {
            "epoch": len(progress.history) + 1,
            "step": progress.step,
            "loss": sum(self.losses) / len(self.losses),
            "learning_rate": self.learner.rate if rate is None else rate,
        }
        better = False
        if validation_due(progress, self.settings):
            row |= self._validate(int(row["epoch"]))
            better = row["val_dice"] > progress.best
            progress.best = max(progress.best, row["val_dice"])
        progress.history.append(row)
        self.losses = []
        if better:
            self.learner.save(self.best)
        self.learner.save(self.last)
        self.observer.epoch(progress.history)
        self.on_epoch(progress, self.learner.plan, self.ended)

    def _validate(self, epoch: int) -> Row:
        learner = self.learner

        def shown(judged: Judged) -> None:
            self.observer.case(epoch, judged)

        before = time.monotonic()
        scores = validate(learner.network, learner.mean, self.validation, learner.plan, learner.fabric, shown)
        took = time.monotonic() - before
        self.progress.validation_seconds = took
        self.progress.validating += took
        self._count_time(of_a_step=False)
        return scores

    def _count_time(self, *, of_a_step: bool = True) -> None:
        """Count the time since the last call; saving what an epoch learnt counts as part of the next step."""
        now, progress = time.monotonic(), self.progress
        took, self.seen = now - self.seen, now
        progress.seconds += took
        if of_a_step:
            share = _RECENT if progress.step_seconds else 1.0
            progress.step_seconds += share * (took - progress.step_seconds)

    def _tell(self) -> None:
        progress = self.progress
        dice = f" · Dice {progress.best:.3f}" if progress.best >= 0 else ""
        note = f"loss {sum(self.losses) / len(self.losses):.3f}{dice}"
        self.reporter.advance("Training", progress.step, progress.total_steps, note)


def _checked(loss: float, cases: Sequence[str]) -> float:
    if not math.isfinite(loss):
        mend = "Lower learning.learning_rate, set learning.precision=fp32, or look at these images."
        raise TrainingError(f"batch of {', '.join(cases)}", f"the loss is {loss}", mend)
    return loss
