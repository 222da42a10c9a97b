"""Chooses the post-processing of each label by the mean Dice of predictions that no model had learnt from."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.evaluation.components import AS_PREDICTED, THRESHOLDS
from medseg.plan import Postprocessing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MARGIN", "TRIED_COLUMNS", "Choice", "Rule", "choose_postprocessing"]

MARGIN = 0.001  # of mean Dice, that a step has to bring
TRIED_COLUMNS = ("label", "step", "setting", "dice", "gain", "n", "kept")
_SHARES = (0.5, 0.75, 0.9, 1.0)  # of the components that hit nothing, which a smallest size would take away


@dataclass(frozen=True)
class Rule:
    """What is done to one label. Dice is that of each case, NaN where both masks are empty."""

    threshold: float = AS_PREDICTED
    largest: bool = False
    min_size: float = 0.0

    def dice(self, table: "pd.DataFrame") -> "pd.Series":
        """Dice by case of the components (`COMPONENT_COLUMNS`) of one label that stay."""
        rows = table[table["threshold"] == self.threshold]
        stays = (rows["size"] >= self.min_size) & ((rows["component"] <= 1) | (not self.largest))
        counted = rows.assign(voxels=rows["voxels"].where(stays, 0), hits=rows["hits"].where(stays, 0))
        sums = counted.groupby("case").agg({"voxels": "sum", "hits": "sum", "reference": "first"})
        total = sums["voxels"] + sums["reference"]
        return 2 * sums["hits"] / total.where(total > 0)


@dataclass(frozen=True, eq=False)
class Choice:
    """A post-processing, and what it was chosen by.

    Args:
        postprocessing: What is kept.
        tried: Every setting that was tried, in order; columns as `TRIED_COLUMNS`. The step "none" is the prediction as
            it was, "chosen" what is kept, and "chosen without the fold" the honest estimate of it: the Dice of each
            fold's cases by what the other folds alone would have chosen.
    """

    postprocessing: Postprocessing
    tried: "pd.DataFrame"

    def mean(self, step: str) -> float:
        """Mean over the labels of a step that every label has: "none", "chosen" or "chosen without the fold"."""
        return float(self.tried[self.tried["step"] == step]["dice"].mean())


def choose_postprocessing(table: "pd.DataFrame", labels: Sequence[str], margin: float = MARGIN) -> Choice:
    """Choose for each label by itself: threshold, then largest component, then smallest size.

    Taking components of a label away changes no other label's Dice, so that none is lowered. A step is kept where it
    raises the label's mean Dice over the cases by the margin. The Dice of what was chosen is too good, since it was
    chosen by these cases; so each fold is also judged by what the others would have chosen, and where that is worse
    than doing nothing, nothing is done.

    Args:
        table: `components_table` of all folds, with a column `fold`.
        labels: Names of the labels.
        margin: The least gain of mean Dice.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    chosen: dict[str, Rule] = {}
    for label in labels:
        own = table[table["label"] == label]
        rule, tried = _chosen(own, margin)
        before = Rule().dice(own)
        honest = _without_the_fold(own, margin)
        good = not _mean(honest) < _mean(before)
        chosen[label] = rule if good else Rule()
        tried = [one if good else {**one, "kept": False} for one in tried]
        ends = (("chosen", chosen[label].dice(own)), ("chosen without the fold", honest if good else before))
        rows += [{"label": label} | one for one in (_row("none", "", before, before), *tried)]
        rows += [{"label": label} | _row(step, _words(chosen[label]), dice, before) for step, dice in ends]
    rules = Postprocessing(
        threshold={name: rule.threshold for name, rule in chosen.items() if rule.threshold != AS_PREDICTED},
        largest=tuple(name for name, rule in chosen.items() if rule.largest),
        min_size={name: rule.min_size for name, rule in chosen.items() if rule.min_size > 0},
    )
    return Choice(rules, pd.DataFrame(rows, columns=list(TRIED_COLUMNS)))


def _chosen(table: "pd.DataFrame", margin: float) -> tuple[Rule, list[dict[str, Any]]]:
    """The rule of one label, and what was tried."""
    rule, tried = Rule(), []
    steps: tuple[tuple[str, Callable[[Rule], list[Rule]]], ...] = (
        ("threshold", lambda now: [replace(now, threshold=t) for t in THRESHOLDS if (table["threshold"] == t).any()]),
        ("largest component", lambda now: [replace(now, largest=True)]),
        ("smallest size", lambda now: [replace(now, min_size=size) for size in _sizes(table, now)]),
    )
    for step, options in steps:
        before = rule.dice(table)
        found = [(option, option.dice(table)) for option in options(rule)]
        best = max(found, key=lambda one: _mean(one[1]), default=None)
        better = best is not None and _mean(best[1]) >= _mean(before) + margin
        for option, dice in found:
            kept = better and best is not None and option == best[0]
            tried.append({**_row(step, _words(option), dice, before), "kept": kept})
        rule = best[0] if better and best is not None else rule
    return rule, tried


def _without_the_fold(table: "pd.DataFrame", margin: float) -> "pd.Series":
    """Dice by case, each by the rule that the other folds choose."""
    import pandas as pd

    parts = [
        _chosen(table[table["fold"] != fold], margin)[0].dice(table[table["fold"] == fold])
        for fold in sorted(table["fold"].unique())
    ]
    return pd.concat(parts) if parts else Rule().dice(table)


def _sizes(table: "pd.DataFrame", rule: Rule) -> list[float]:
    """Sizes just above shares of the components that hit nothing, to three digits."""
    wrong = table[(table["threshold"] == rule.threshold) & (table["hits"] == 0) & (table["voxels"] > 0)]
    if rule.largest:
        wrong = wrong[wrong["component"] == 1]
    if wrong.empty:
        return []
    return sorted({_rounded_up(float(size)) for size in np.quantile(wrong["size"], _SHARES)})


def _rounded_up(size: float) -> float:
    digits = 2 - math.floor(math.log10(size))
    return round(math.floor(size * 10**digits + 1) / 10**digits, digits)


def _row(step: str, setting: str, dice: "pd.Series", before: "pd.Series") -> dict[str, Any]:
    mean = _mean(dice)
    kept = step != "none"
    return {
        "step": step,
        "setting": setting,
        "dice": mean,
        "gain": mean - _mean(before),
        "n": int(dice.count()),
        "kept": kept,
    }


def _words(rule: Rule) -> str:
    words = [f"threshold {rule.threshold:g}"] if rule.threshold != AS_PREDICTED else []
    words += ["largest component"] if rule.largest else []
    words += [f"smallest size {rule.min_size:g}"] if rule.min_size > 0 else []
    return ", ".join(words) or "nothing"


def _mean(dice: "pd.Series") -> float:
    return float(dice.mean()) if dice.count() else math.nan
