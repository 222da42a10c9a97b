"""Draws patients so that every part has alike shares of what a column says of them."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from medseg.case import Case
from medseg.errors import DatasetError

__all__ = ["dealt", "drawn", "strata_of"]

_NEGATIVE = "negative"


def strata_of(cases: Iterable[Case], columns: str | Sequence[str] | None) -> dict[str, str]:
    """The stratum of each patient: what most of the patient's cases say, the first by name of equals.

    Args:
        cases: Cases.
        columns: Columns of `Case.columns`, whose values together are the stratum; "negative" is also `Case.negative`.
            `None` for one stratum of all. A value that a case lacks is a value of its own.

    Raises:
        DatasetError: No case has such a column.
    """
    wanted = [columns] if isinstance(columns, str) else list(columns or ())
    listed = list(cases)
    known = sorted({name for case in listed for name in case.columns} | {_NEGATIVE})
    for name in wanted:
        if listed and name not in known:
            raise DatasetError("stratify", f"no case has a column {name!r}", "Choose another.", ", ".join(known))
    votes: dict[str, Counter[str]] = {}
    for case in listed:
        votes.setdefault(case.patient, Counter())[", ".join(_said(case, name) for name in wanted)] += 1
    return {patient: min(found, key=lambda value: (-found[value], value)) for patient, found in votes.items()}


def drawn(patients: Iterable[str], strata: Mapping[str, str], count: int, seed: int) -> list[str]:
    """That many of the patients (all, where there are fewer), of each stratum in proportion.

    What a stratum is due is rounded by largest remainder, so that the total holds. Whom a stratum gives depends on its
    patients and the seed alone: new ones take places, but do not mix the old ones.
    """
    grouped = _grouped(patients, strata, seed)
    total = sum(map(len, grouped.values()))
    count = min(count, total)
    due = {stratum: count * len(own) / total for stratum, own in grouped.items()}
    given = {stratum: math.floor(share) for stratum, share in due.items()}
    by_remainder = sorted(due, key=lambda stratum: (given[stratum] - due[stratum], _drawn_number(stratum, seed)))
    for stratum in by_remainder[: count - sum(given.values())]:
        given[stratum] += 1
    return [patient for stratum, own in grouped.items() for patient in own[: given[stratum]]]


def dealt(patients: Iterable[str], strata: Mapping[str, str], k: int, seed: int) -> dict[str, int]:
    """A number from 0 to k - 1 for each patient, dealt in turn through the strata, one after another."""
    in_turn = [patient for own in _grouped(patients, strata, seed).values() for patient in own]
    return {patient: place % k for place, patient in enumerate(in_turn)}


def _grouped(patients: Iterable[str], strata: Mapping[str, str], seed: int) -> dict[str, list[str]]:
    """The patients of each stratum, the strata by name, in an order that depends on each patient and the seed alone."""
    shuffled = sorted(patients, key=lambda patient: _drawn_number(patient, seed))
    grouped: dict[str, list[str]] = {stratum: [] for stratum in sorted({strata[patient] for patient in shuffled})}
    for patient in shuffled:
        grouped[strata[patient]].append(patient)
    return grouped


def _drawn_number(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{text}".encode()).digest()


def _said(case: Case, column: str) -> str:
    if column == _NEGATIVE and column not in case.columns:
        return "negative" if case.negative else "positive"
    return case.columns.get(column, "")
