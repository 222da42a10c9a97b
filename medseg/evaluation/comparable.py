"""What several models have in common: the cases and labels on which they can be compared, or why they cannot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medseg.errors import DatasetError
from medseg.evaluation.scored import Scored

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEFT_OUT_COLUMNS", "CommonGround", "common_ground"]

LEFT_OUT_COLUMNS = ("case", "patient", "model", "reason")
_MEND = "Score all of them alike: medseg leaderboard RUN… --reference DATASET."
_RULES = ("beta", "match", "match_threshold")
_SAME = {  # by column of the scores: what it is that differs
    "reference_voxels": "reference voxels",
    "judged": "whether somebody looked for it",
    "unit": "unit of distances",
    "definition": "definition of distances",
    "tolerance": "tolerance of the NSD",
}


@dataclass(frozen=True, eq=False)
class CommonGround:
    """Cases and labels that all models have.

    Args:
        scores: By model, the rows of those cases and labels, in one order.
        patients: Whose each case is.
        labels: Their names.
        left_out: A row a case and model that lacks it; columns as `LEFT_OUT_COLUMNS`.
        notes: What a reader has to know.
    """

    scores: Mapping[str, "pd.DataFrame"]
    patients: Mapping[str, str]
    labels: tuple[str, ...]
    left_out: "pd.DataFrame"
    notes: tuple[str, ...]


def common_ground(models: Sequence[Scored]) -> CommonGround:
    """Find what can be compared.

    Raises:
        DatasetError: There is no model or two of one name, no case or label is in all of them, or they were scored by
            other rules, against other references or with other patients.
    """
    _require_names(models)
    tables = {one.name: _indexed(one) for one in models}
    cases = _in_all(models, "case")
    labels = _in_all(models, "label")
    wanted = [(case, label) for case in cases for label in labels]
    shared = [key for key in wanted if all(key in table.index for table in tables.values())]
    common = {name: table.loc[shared].reset_index() for name, table in tables.items()}
    _require_rules(models)
    first = models[0].name
    for one in models[1:]:
        _require_same(first, common[first], one.name, common[one.name])
    patients = _patients(models)
    left_out = _left_out(models, set(cases), patients)
    notes = [*_label_notes(models, labels), *_case_notes(left_out, cases, patients), *_patient_notes(cases, patients)]
    return CommonGround(common, patients, tuple(labels), left_out, tuple(notes))


def _require_names(models: Sequence[Scored]) -> None:
    names = [one.name for one in models]
    if not names:
        raise DatasetError("leaderboard", "no model", "Name at least one folder of scores or predictions.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DatasetError("leaderboard", f"two models are called {twice[0]!r}", "Give each its own --name.")


def _indexed(one: Scored) -> "pd.DataFrame":
    table = one.scores.set_index(["case", "label"], drop=True)
    twice = table.index[table.index.duplicated()]
    if len(twice):
        case, label = twice[0]
        raise DatasetError(one.name, f"case {case} has two rows of {label}", "Keep one row a case and label.")
    return table


def _in_all(models: Sequence[Scored], column: str) -> list[str]:
    """Cases or labels that every model has, in the order of the first."""
    sets = [set(one.scores[column]) for one in models]
    common = [name for name in dict.fromkeys(models[0].scores[column]) if all(name in own for own in sets)]
    if not common:
        has = "; ".join(f"{one.name}: {_some(dict.fromkeys(one.scores[column]))}" for one in models[:3])
        raise DatasetError("leaderboard", f"no {column} is in all models ({has})", _MEND)
    return common


def _require_rules(models: Sequence[Scored]) -> None:
    """Of rules that only summary.json tells."""
    for rule in _RULES:
        said = {one.name: one.scoring[rule] for one in models if rule in one.scoring}
        others = [name for name, value in said.items() if value != next(iter(said.values()))]
        if others:
            first = next(iter(said))
            found = f"scored with other rules: {rule} is {said[first]} and {said[others[0]]}"
            raise DatasetError(f"{first}, {others[0]}", found, _MEND)


def _require_same(first: str, one: "pd.DataFrame", second: str, other: "pd.DataFrame") -> None:
    for column, meaning in _SAME.items():
        differs = one[column].ne(other[column]) & ~(one[column].isna() & other[column].isna())
        if differs.any():
            place = differs.to_list().index(True)
            case, label, said = (one[name].iloc[place] for name in ("case", "label", column))
            found = f"{meaning} differ in case {case}, label {label} ({said} and {other[column].iloc[place]})"
            more = int(differs.sum()) - 1
            raise DatasetError(f"{first}, {second}", found + (f" and {more} more" if more else ""), _MEND)


def _patients(models: Sequence[Scored]) -> dict[str, str]:
    """Whose each case is; a case that is called its own patient says only that nobody knew."""
    found: dict[str, str] = {}
    for one in models:
        for case in dict.fromkeys([*one.scores["case"], *one.failures]):
            patient = one.patients.get(case) or case
            before = found.get(case, case)
            if case not in (before, patient) and before != patient:
                differ = f"case {case} is of patient {before} for one model and of {patient} for this"
                raise DatasetError(one.name, differ, _MEND)
            found[case] = patient if before == case else before
    return found


def _left_out(models: Sequence[Scored], common: set[str], patients: Mapping[str, str]) -> "pd.DataFrame":
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for case in (case for case in patients if case not in common):
        for one in models:
            if case in set(one.scores["case"]):
                continue
            why = f"failed: {one.failures[case]}" if case in one.failures else "not among its cases"
            rows.append({"case": case, "patient": patients[case], "model": one.name, "reason": why})
    return pd.DataFrame(rows, columns=list(LEFT_OUT_COLUMNS))


def _label_notes(models: Sequence[Scored], labels: Sequence[str]) -> list[str]:
    others = {label: one.name for one in models for label in one.scores["label"] if label not in labels}
    return [f"Labels that not every model has are left out: {_some(others)}."] if others else []


def _case_notes(left_out: "pd.DataFrame", cases: Sequence[str], patients: Mapping[str, str]) -> list[str]:
    if left_out.empty:
        return []
    names = list(dict.fromkeys(left_out["case"]))
    gone = {patients[case] for case in names} - {patients[case] for case in cases}
    of_patients = f", and with them all cases of {_counted(gone, 'patient')}" if gone else ""
    what = f"{_counted(names, 'case')} that not every model has are left out{of_patients}: {_some(names)}."
    return [what.replace("1 case that not every model has are", "1 case that not every model has is")]


def _patient_notes(cases: Sequence[str], patients: Mapping[str, str]) -> list[str]:
    many = Counter(patients[case] for case in cases)
    if all(patients[case] == case for case in cases):
        return ["Each case counts as a patient of its own: nobody says otherwise."]
    if len(set(many.values())) > 1:
        return ["Patients have unequal numbers of cases: means count each case, differences and tests each patient."]
    return []


def _counted(things: Any, word: str) -> str:
    return f"{len(things)} {word}{'s' * (len(things) != 1)}"


def _some(names: Any) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" … ({len(listed)} in all)" if len(listed) > 5 else "")
