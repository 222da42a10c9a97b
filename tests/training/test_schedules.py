"""Learning rates against the formulas that they are named after, computed independently."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medseg.training.learning_settings import LearningSettings
from medseg.training.schedules import SCHEDULES, learning_rate, without_better


def rates(total: int, **settings: object) -> list[float]:
    return [learning_rate(step, total, LearningSettings(**settings)) for step in range(total)]


def test_cosine_rises_then_falls_to_zero():
    found = rates(100, warmup=0.1)
    assert found[0] == pytest.approx(1e-4)
    assert max(found) == found[10] == pytest.approx(1e-3)
    assert found[55] == pytest.approx(5e-4)
    assert found[-1] < 1e-5


def test_poly_is_nnunets():
    expected = [1e-2 * (1 - step / 250) ** 0.9 for step in range(250)]
    assert rates(250, optimiser="sgd", schedule="poly") == pytest.approx(expected)


def test_one_cycle_is_torchs():
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=2e-3, total_steps=1000, pct_start=0.3)
    ours = rates(1000, schedule="one_cycle", learning_rate=2e-3)
    for rate in ours[:-1]:
        # torch's cycle ends one step earlier on either side
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], abs=2e-5)
        optimiser.step()
        theirs.step()


def test_a_plateau_halves_the_rate_and_starts_to_wait_again():
    settings = LearningSettings(schedule="plateau", plateau=2, warmup=0)
    dices = [0.5, 0.6, 0.6, 0.59, 0.7, 0.7, 0.7, 0.7, 0.7]
    found = [learning_rate(500, 1000, settings, dices[:n]) for n in range(len(dices) + 1)]
    assert found == [1e-3] * 4 + [5e-4] * 3 + [2.5e-4] * 2 + [1.25e-4]


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 500), st.floats(0, 0.9), st.data())
def test_every_rate_is_within_the_peak(schedule, total, warmup, data):
    step = data.draw(st.integers(0, total - 1))
    rate = learning_rate(step, total, LearningSettings(schedule=schedule, warmup=warmup), [0.1] * step)
    assert 0 <= rate <= 1e-3 * (1 + 1e-9)
    assert math.isfinite(rate)


def test_validations_after_the_best_are_counted():
    assert [without_better(dices) for dices in ([], [0.1], [0.1, 0.2], [0.2, 0.2], [0.3, 0.1, 0.2])] == [0, 0, 0, 1, 2]
