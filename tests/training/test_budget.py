"""Budgets: minutes are kept whatever speed was measured first, validations are evenly spread, patience has an end."""

import pytest

from medseg.training.budget import ended_early, keep_to_minutes, planned_steps, validation_due
from medseg.training.checkpoint import Progress
from medseg.training.settings import TrainSettings


def settings(**values: object) -> TrainSettings:
    learning = {"steps_per_epoch": 10, "validations": 4, **values.pop("learning", {})}
    return TrainSettings(dataset="data", learning=learning, **values)


def simulated(minutes: float, speed, validation: float, first: float) -> Progress:
    """A training whose steps take `speed(seconds)` each, after `first` was measured."""
    asked = settings(minutes=minutes)
    progress = Progress(1, step_seconds=first, validation_seconds=validation)
    progress.total_steps = planned_steps(progress, asked)
    while progress.step < progress.total_steps:
        took = speed(progress.seconds)
        progress.step += 1
        progress.seconds += took
        progress.step_seconds += 0.1 * (took - progress.step_seconds)
        keep_to_minutes(progress, asked)
        if progress.step % 10 == 0 or progress.step >= progress.total_steps:
            row = {"epoch": len(progress.history) + 1, "step": progress.step}
            if validation_due(progress, asked):
                progress.seconds += validation
                row["val_dice"] = 0.5
            progress.history.append(row)
    return progress


@pytest.mark.parametrize(
    ("speed", "first"),
    [
        (lambda seconds: 1.0, 1.0),
        (lambda seconds: 1.0, 12.0),  # measured while something else had the processor
        (lambda seconds: 1.0, 0.1),
        (lambda seconds: 1.0 if seconds < 300 else 2.5, 1.0),  # something else gets the processor half-way
        (lambda seconds: 2.5 if seconds < 500 else 1.0, 2.0),
    ],
)
@pytest.mark.parametrize("validation", [0.1, 20.0])
def test_minutes_are_kept(speed, first, validation):
    progress = simulated(10, speed, validation, first)
    assert progress.seconds == pytest.approx(600, rel=0.05)
    assert "val_dice" in progress.history[-1]


def test_validations_that_would_eat_up_the_minutes_are_fewer():
    progress = simulated(10, lambda seconds: 1.0, 90.0, 1.0)
    assert len(progress.dices) == 1
    assert progress.seconds == pytest.approx(600, rel=0.05)


def test_validations_are_evenly_spread_and_the_last_epoch_has_one():
    asked = settings(epochs=10)
    progress = Progress(100)
    for epoch in range(1, 11):
        progress.step = epoch * 10
        due = validation_due(progress, asked)
        progress.history.append({"epoch": epoch, "step": progress.step} | ({"val_dice": 0.1} if due else {}))
    assert [row["epoch"] for row in progress.history if "val_dice" in row] == [2, 4, 6, 8, 10]


def test_patience_ends_a_training_that_gets_no_better():
    asked = settings(epochs=10, learning={"patience": 2})
    for dices, over in (([], False), ([0.5, 0.4], False), ([0.5, 0.4, 0.5], True), ([0.5, 0.4, 0.6], False)):
        progress = Progress(100, history=[{"val_dice": dice} for dice in dices])
        assert ended_early(progress, asked) is over
        assert not ended_early(progress, settings(epochs=10))
