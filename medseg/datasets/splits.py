"""Which cases learn, which choose and which judge: split by patient, seeded, saved."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medseg.atomic import write_text
from medseg.case import Case
from medseg.datasets.case_table import SPLITS
from medseg.datasets.strata import dealt, drawn, strata_of
from medseg.errors import DatasetError

__all__ = ["Split", "k_folds", "leaks", "require_no_leak", "split_by_patient"]


@dataclass(frozen=True)
class Split:
    """Ids of the cases in each part, sorted."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Read what `save` wrote.

        Raises:
            DatasetError: The file is missing, is no split, or has a case twice.
        """
        try:
            parts = json.loads(path.read_text(encoding="utf-8"))
            split = cls(*(tuple(str(name) for name in parts[key]) for key in ("train", "validation", "test")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                path, f"is not a saved split ({error!r})", "Pass the file that training wrote."
            ) from error
        names = [*split.train, *split.validation, *split.test]
        if len(set(names)) < len(names):
            raise DatasetError(path, "has a case in two parts", "Pass the file that training wrote.")
        return split

    def part(self, name: str, cases: Iterable[Case]) -> list[Case]:
        """The cases of "train", "validation" or "test", in the order given."""
        wanted = set(getattr(self, name))
        return [case for case in cases if case.id in wanted]


def split_by_patient(
    cases: Iterable[Case],
    *,
    test: float = 0.2,
    validation: float = 0.1,
    seed: int = 0,
    stratify: str | Sequence[str] | None = None,
) -> Split:
    """Split the labelled cases by patient; the same for any order of the cases.

    What `Case.split` fixes is kept: then the test part is drawn only where no case is fixed to it, and only from
    cases without a fixed part; the validation part, where none is fixed, from all that remain for training.

    Args:
        cases: Cases; those without a label are in no part.
        test: Share of all labelled patients to keep for the test part; at least one patient if above 0.
        validation: The same for the validation part.
        seed: Another seed draws other patients.
        stratify: Columns whose values all parts shall have in alike shares (see `strata_of`).

    Raises:
        DatasetError: A share is not in [0, 1), a patient is fixed to two parts, no patient is left to train on, or
            no case has a column to stratify by.
    """
    if not (0 <= test < 1 and 0 <= validation < 1 and test + validation < 1):
        raise DatasetError("split", f"test={test}, validation={validation}", "Give shares that leave some to train on.")
    labelled = [case for case in cases if case.labelled]
    parts, strata = _fixed_parts(labelled), strata_of(labelled, stratify)
    total = len(parts)
    for name, share, drawn_from in (("test", test, ("",)), ("validation", validation, ("", "train"))):
        parts |= _drawn_part(name, share, parts, drawn_from, strata, seed)
    parts = {patient: part or "train" for patient, part in parts.items()}
    if "train" not in parts.values():
        raise DatasetError(
            "split",
            f"{total} labelled patients leave none to train on",
            "Add patients, or lower `test` and `validation`.",
        )
    return _of_parts(labelled, parts)


def k_folds(
    cases: Iterable[Case],
    k: int,
    *,
    test: float = 0.0,
    seed: int = 0,
    stratify: str | Sequence[str] | None = None,
) -> list[Split]:
    """Splits for cross-validation: every patient who is not kept for the test is in one validation part.

    Args:
        cases: Cases; those without a label are in no part.
        k: Number of folds; the sizes of their validation parts differ by one patient at most, of each stratum too.
        test: Share of the patients to keep apart from all folds, where the data set fixes no test part. What it
            fixes to training or validation takes part in the folds.
        seed: Another seed makes other folds.
        stratify: As for `split_by_patient`.

    Raises:
        DatasetError: There are fewer patients than folds, or as for `split_by_patient`.
    """
    if not 0 <= test < 1:
        raise DatasetError("split", f"test={test}", "Give a share that leaves some to train on.", "0 to 1")
    labelled = [case for case in cases if case.labelled]
    parts, strata = _fixed_parts(labelled), strata_of(labelled, stratify)
    parts |= _drawn_part("test", test, parts, ("",), strata, seed)
    kept = {patient: part for patient, part in parts.items() if part == "test"}
    pool = [patient for patient in parts if patient not in kept]
    if not 2 <= k <= len(pool):
        found = f"{k} folds of {len(pool)} labelled patients"
        raise DatasetError("folds", found, "Give a number of folds from 2 to that of the patients.")
    folds = dealt(pool, strata, k, seed)
    return [
        _of_parts(labelled, kept | {one: "validation" if folds[one] == number else "train" for one in pool})
        for number in range(k)
    ]


def leaks(split: Split, cases: Iterable[Case]) -> dict[str, tuple[str, ...]]:
    """Patients who are in more than one part, sorted, and the parts they are in."""
    places = {name: part for part in SPLITS for name in getattr(split, part)}
    found: dict[str, set[str]] = {}
    for case in cases:
        if case.id in places:
            found.setdefault(case.patient, set()).add(places[case.id])
    return {one: tuple(p for p in SPLITS if p in found[one]) for one in sorted(found) if len(found[one]) > 1}


def require_no_leak(split: Split, cases: Iterable[Case], where: str | Path) -> None:
    """Refuse a split by which a patient of one part is known from another.

    Raises:
        DatasetError: There are such patients; they are listed.
    """
    found = leaks(split, cases)
    if found:
        listed = ", ".join(f"{patient} ({' and '.join(parts)})" for patient, parts in list(found.items())[:10])
        more = f" and {len(found) - 10} more" if len(found) > 10 else ""
        mend = "Move all cases of a patient into one part: scores of patients seen before are too good."
        raise DatasetError(where, f"{len(found)} patients are in two parts: {listed}{more}", mend)


def _drawn_part(
    name: str, share: float, parts: Mapping[str, str], drawn_from: Sequence[str], strata: Mapping[str, str], seed: int
) -> dict[str, str]:
    """Patients drawn for a part, unless the data set fixes some to it."""
    if name in parts.values() or share == 0:
        return {}
    pool = [patient for patient, part in parts.items() if part in drawn_from]
    return dict.fromkeys(drawn(pool, strata, max(1, round(share * len(parts))), seed), name)


def _of_parts(cases: Sequence[Case], parts: Mapping[str, str]) -> Split:
    ids = {name: sorted(case.id for case in cases if parts[case.patient] == name) for name in set(parts.values())}
    return Split(*(tuple(ids.get(name, ())) for name in SPLITS))


def _fixed_parts(cases: Sequence[Case]) -> dict[str, str]:
    """The part that each patient is fixed to, or an empty text."""
    parts: dict[str, str] = {}
    for case in cases:
        before = parts.setdefault(case.patient, case.split)
        if case.split and before and case.split != before:
            raise DatasetError(
                f"patient {case.patient}",
                f"is in the {before} part and (case {case.id}) in the {case.split} part",
                "Move all cases of a patient into one part.",
            )
        parts[case.patient] = before or case.split
    return parts
