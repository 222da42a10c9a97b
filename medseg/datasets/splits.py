"""Which cases learn, which choose and which judge: split by patient, seeded, saved."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medseg.atomic import write_text
from medseg.case import Case
from medseg.errors import DatasetError

__all__ = ["Split", "split_by_patient"]


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


def split_by_patient(cases: Iterable[Case], *, test: float = 0.2, validation: float = 0.1, seed: int = 0) -> Split:
    """Split the labelled cases by patient; the same for any order of the cases.

    What `Case.split` fixes is kept: then the test part is drawn only where no case is fixed to it, and only from
    cases without a fixed part; the validation part, where none is fixed, from all that remain for training.

    Args:
        cases: Cases; those without a label are in no part.
        test: Share of all labelled patients to keep for the test part; at least one patient if above 0.
        validation: The same for the validation part.
        seed: Another seed draws other patients.

    Raises:
        DatasetError: A share is not in [0, 1), a patient is fixed to two parts, or no patient is left to train on.
    """
    if not (0 <= test < 1 and 0 <= validation < 1 and test + validation < 1):
        raise DatasetError("split", f"test={test}, validation={validation}", "Give shares that leave some to train on.")
    labelled = [case for case in cases if case.labelled]
    parts = _fixed_parts(labelled)
    total = len(parts)
    for name, share, drawn_from in (("test", test, ("",)), ("validation", validation, ("", "train"))):
        if name in parts.values():
            continue
        pool = _shuffled([patient for patient, part in parts.items() if part in drawn_from], seed)
        count = min(len(pool), max(1, round(share * total)) if share > 0 else 0)
        parts |= dict.fromkeys(pool[:count], name)
    parts = {patient: part or "train" for patient, part in parts.items()}
    if "train" not in parts.values():
        raise DatasetError(
            "split",
            f"{total} labelled patients leave none to train on",
            "Add patients, or lower `test` and `validation`.",
        )
    ids = {name: sorted(case.id for case in labelled if parts[case.patient] == name) for name in set(parts.values())}
    return Split(*(tuple(ids.get(name, ())) for name in ("train", "validation", "test")))


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


def _shuffled(patients: Iterable[str], seed: int) -> list[str]:
    """In an order that depends on each patient and the seed alone, so that new patients do not mix the old ones."""
    return sorted(patients, key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).digest())
