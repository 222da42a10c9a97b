"""Search of a method's options from coarse to fine: a grid, then steps between and beside the best."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from pydantic import ValidationError

from medseg.classical.axes import Axes
from medseg.classical.methods import METHODS
from medseg.classical.options import Options

__all__ = ["Candidate", "Judge", "coarse", "search", "steps_from"]

Candidate = Options
Judge = Callable[[Sequence[Candidate], str], list[float]]  # mean Dice of each, NaN where none is defined


def search(method: str, axes: Axes, fixed: Mapping[str, Any], budget: int, seed: int, judge: Judge) -> Candidate:
    """The best candidate found.

    Half of the budget is spent on the grid of all values, drawn by seed where it is larger; the rest on rounds of
    steps along each axis from the best so far, to half way between the values that were tried.

    Args:
        method: A key of `METHODS`.
        axes: Values of each option, the likeliest first.
        fixed: Options that are not searched.
        budget: How many candidates are judged at most.
        seed: Of the draw.
        judge: Told the candidates and the stage, "coarse" or "fine".
    """
    grid = coarse(method, axes, fixed, max(1, math.ceil(budget / 2)), seed)
    best = _best(grid, judge(grid, "coarse"))[0]
    left = budget - len(grid)
    tried = {best}
    known = {name: list(values) for name, values in axes.items()}
    score = -math.inf
    while left > 0:
        near = [one for one in steps_from(method, best, known, fixed) if one not in tried][:left]
        if not near:
            break
        # The best of the grid was judged by fewer cases: it is judged again beside the first steps.
        judged = [best, *near] if score == -math.inf else near
        left -= len(near)
        tried |= set(near)
        found, value = _best(judged, judge(judged, "fine"))
        before, score = score, max(score, value)
        if value <= before or found == best:
            break
        for name in known:
            value_of = getattr(found, name)
            known[name] += [] if value_of in known[name] else [value_of]
        best = found
    return best


def coarse(method: str, axes: Axes, fixed: Mapping[str, Any], count: int, seed: int) -> list[Candidate]:
    """At most so many candidates of the grid, the likeliest values among them."""
    names = [name for name in axes if name not in fixed]
    likeliest = {name: axes[name][0] for name in names}
    drawn = [dict(zip(names, values, strict=True)) for values in _drawn([axes[name] for name in names], count, seed)]
    return list(dict.fromkeys(_valid(method, [likeliest, *drawn], fixed)))[:count]


def steps_from(method: str, best: Candidate, known: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> list[Any]:
    """Candidates one step away along each axis: another word, or half way to the next number on both sides."""
    told = best.model_dump()
    moves = [
        {name: value} for name, values in known.items() if name not in fixed for value in _beside(told[name], values)
    ]
    own = {name: told[name] for name in known}
    return list(_valid(method, [own | move for move in moves], fixed))


def _beside(now: Any, values: Sequence[Any]) -> Iterator[Any]:
    numbers = sorted({float(one) for one in values if isinstance(one, (int, float)) and not isinstance(one, bool)})
    if len(numbers) < 2 or not isinstance(now, (int, float)) or isinstance(now, bool):
        yield from (one for one in values if one != now)
        return
    whole = all(isinstance(one, int) for one in values)
    yield from (one for one in values if one is None)
    for other in (
        max((n for n in numbers if n < now), default=None),
        min((n for n in numbers if n > now), default=None),
    ):
        if other is None:
            continue
        half = (now + other) / 2
        yield (int(other) if abs(other - now) == 1 else round(half)) if whole else float(f"{half:.6g}")


def _drawn(values: Sequence[Sequence[Any]], count: int, seed: int) -> Iterable[tuple[Any, ...]]:
    """The whole grid where it is no larger than twice the count, else that many random points of it."""
    size = math.prod(len(one) for one in values)
    if size <= count:
        return product(*values)
    draw = np.random.default_rng(seed)
    points = draw.choice(size, min(size, 4 * count), replace=False)
    return [
        tuple(one[i] for one, i in zip(values, np.unravel_index(p, [len(v) for v in values]), strict=True))
        for p in points
    ]


def _valid(method: str, listed: Iterable[Mapping[str, Any]], fixed: Mapping[str, Any]) -> Iterator[Candidate]:
    """Those that the method takes: a low above its high, or the third of two classes, is none."""
    for options in listed:
        try:
            yield METHODS[method].options.model_validate({**options, **fixed})
        except ValidationError:
            continue


def _best(candidates: Sequence[Candidate], scores: Sequence[float]) -> tuple[Candidate, float]:
    """The first of the best; one without a score is worse than any."""
    known = [-1.0 if math.isnan(score) else score for score in scores]
    place = max(range(len(known)), key=known.__getitem__)
    return candidates[place], known[place]
