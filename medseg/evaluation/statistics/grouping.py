"""Sorts cases into groups by a column of what is known of them; numbers with many values are cut at their median."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medseg.errors import DatasetError, InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "Grouping", "group_cases"]

MISSING = "(missing)"
_MOST_NUMBERS = 6  # values that still are groups of their own, such as grades
_MOST_WORDS = 20


@dataclass(frozen=True)
class Grouping:
    """Which case is in which group.

    Args:
        of_case: The group of every case; `MISSING` where the column says nothing.
        names: The groups in their order, `MISSING` last.
        note: How they were made, where the values themselves are not the groups.
    """

    of_case: Mapping[str, str]
    names: tuple[str, ...]
    note: str = ""


def group_cases(facts: "pd.DataFrame", column: str) -> Grouping:
    """Groups by the values of a column.

    More than six different numbers (an age, say) become two groups, cut at the median over patients.

    Args:
        facts: A row a case with `case`, `patient` and the column, as `Evaluation.facts`.
        column: Which.

    Raises:
        InputError: There is no such column, or it holds more than twenty different words: names, not groups.
        DatasetError: A case has two rows.
    """
    import pandas as pd

    others = [name for name in facts.columns if name not in ("case", "patient")]
    if column not in others:
        mend = "Name a column of the case table." if others else "Score against a data set whose table has columns."
        raise InputError("group by", f"no column {column!r} is known of the cases", mend, ", ".join(others))
    twice = facts["case"][facts["case"].duplicated()]
    if len(twice):
        raise DatasetError("facts", f"case {twice.iloc[0]} has two rows", "Keep one row a case.")
    cases = facts["case"].astype(str)
    words = facts[column].astype(object).where(facts[column].notna(), "").map(lambda value: str(value).strip())
    known = words != ""
    numbers = pd.to_numeric(words[known], errors="coerce")
    if numbers.notna().all() and numbers.nunique() > _MOST_NUMBERS:
        return _cut(dict(zip(cases, words, strict=True)), facts.assign(_number=numbers), column)
    if words[known].nunique() > _MOST_WORDS:
        found = f"{words[known].nunique()} different words"
        raise InputError(f"group by {column}", found, "Choose a column that sorts cases into few groups.", "at most 20")
    ordered = sorted(set(words[known]), key=lambda word: (float(word), word) if numbers.notna().all() else (0.0, word))
    names = (*ordered, *([MISSING] if not known.all() else []))
    return Grouping({case: word or MISSING for case, word in zip(cases, words, strict=True)}, names)


def _cut(words: Mapping[str, str], facts: "pd.DataFrame", column: str) -> Grouping:
    numbers = facts.groupby("patient")["_number"].mean()
    middle = float(numbers.median())
    # Where the median is the greatest value of all, nothing lies above it.
    upwards = (numbers > middle).any()
    low, high = (f"≤ {middle:.10g}", f"> {middle:.10g}") if upwards else (f"< {middle:.10g}", f"≥ {middle:.10g}")
    of_case = {
        case: (low if (float(word) <= middle if upwards else float(word) < middle) else high) if word else MISSING
        for case, word in words.items()
    }
    names = (low, high, *([MISSING] if MISSING in of_case.values() else []))
    return Grouping(of_case, names, f"{column} cut at the median over patients, {middle:.10g}")
