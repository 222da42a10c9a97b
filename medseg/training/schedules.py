"""How the learning rate moves: functions of the share of the steps that are done, and of the validations so far.

None keeps a state of its own, so that a resumed run goes on with the rate that it would have had.
"""

import math
from collections.abc import Callable, Sequence

from medseg.training.learning_settings import LearningSettings

__all__ = ["SCHEDULES", "learning_rate", "without_better"]

_HALVED = 0.5  # what a plateau does to the rate
_LOWEST = 1e-3  # share of the peak below which a plateau does not go


def learning_rate(step: int, total_steps: int, settings: LearningSettings, dices: Sequence[float] = ()) -> float:
    """Rate of a step.

    Args:
        step: Steps done before it.
        total_steps: The budget.
        settings: Peak, schedule and its numbers.
        dices: Mean validation Dice of every validation so far, oldest first.
    """
    return settings.peak_rate * SCHEDULES[settings.schedule](step, total_steps, settings, dices)


def without_better(dices: Sequence[float]) -> int:
    """How many validations there were after the best."""
    return len(dices) - 1 - dices.index(max(dices)) if dices else 0


def _cosine(step: int, total: int, settings: LearningSettings, _dices: Sequence[float]) -> float:
    """A linear rise over the warm-up, then half a cosine down to 0 (Loshchilov 2017)."""
    rise = _rise(total, settings)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise))))


def _poly(step: int, total: int, settings: LearningSettings, _dices: Sequence[float]) -> float:
    """nnU-Net's: the share of the steps that are left, to the power of 0.9 (Isensee 2021)."""
    return max(0.0, 1 - step / total) ** settings.power


def _one_cycle(step: int, total: int, settings: LearningSettings, _dices: Sequence[float]) -> float:
    """A cosine up from 1/25 over 30% of the steps or the warm-up, then one down to 1/250,000 (Smith 2018)."""
    rise = max(1, round(max(0.3, settings.warmup) * total))
    if step < rise:
        return _between(1 / 25, 1.0, step / rise)
    return _between(1.0, 1 / 25 / 1e4, min(1.0, (step - rise) / max(1, total - rise)))


def _plateau(step: int, total: int, settings: LearningSettings, dices: Sequence[float]) -> float:
    """A linear rise, then the peak, halved each time that `plateau` validations brought no better Dice."""
    rise = _rise(total, settings)
    if step < rise:
        return (step + 1) / rise
    factor, best, waited = 1.0, -math.inf, 0
    for dice in dices:
        best, waited = (dice, 0) if dice > best else (best, waited + 1)
        if waited >= settings.plateau:
            factor, waited = max(_LOWEST, factor * _HALVED), 0
    return factor


def _rise(total: int, settings: LearningSettings) -> int:
    return max(1, round(settings.warmup * total))


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES: dict[str, Callable[[int, int, LearningSettings, Sequence[float]], float]] = {
    "cosine": _cosine,
    "poly": _poly,
    "one_cycle": _one_cycle,
    "plateau": _plateau,
}
