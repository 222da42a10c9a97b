"""The folds of a cross-validation: whom each model is judged by, and the split that it is trained with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medseg.case import Case
from medseg.datasets import Dataset, Split, k_folds, read_folds, split_by_patient
from medseg.errors import DatasetError, MedsegError
from medseg.training.settings import TrainSettings

__all__ = ["FOLDS", "Fold", "folds_of"]

FOLDS = 5  # where nobody says how many


@dataclass(frozen=True)
class Fold:
    """One fold.

    Args:
        held_out: Ids of the cases that its model is judged by, sorted: it neither learns from them nor is any weight,
            step or stop chosen by them.
        split: What its run is told: they are test cases, and validation cases are drawn from the rest.
    """

    held_out: tuple[str, ...]
    split: Split


def folds_of(dataset: Dataset, settings: TrainSettings) -> list[Fold]:
    """The folds that the settings ask for, each labelled patient outside the test part held out in one of them.

    A fold of `k_folds` or of a file holds its validation part out. Training keeps the weights that are best on its
    validation cases, so that figures of those would be too good: therefore the part held out becomes test cases of
    the fold's run, and the share `validation` of the data set's patients is drawn from the rest to choose by.

    Raises:
        DatasetError: There are too few patients, a patient is held out twice, or a file of folds does not fit.
    """
    if settings.split is not None:
        splits = read_folds(settings.split, dataset.cases)
    else:
        count = settings.folds or FOLDS
        splits = k_folds(dataset.cases, count, test=settings.test, seed=settings.seed, stratify=settings.stratify)
    _require_disjoint(splits, dataset.cases)
    return [_fold(number, split, dataset.cases, settings) for number, split in enumerate(splits)]


def _fold(number: int, split: Split, cases: Sequence[Case], settings: TrainSettings) -> Fold:
    rest = [replace(case, split="") for case in split.part("train", cases)]
    try:
        inner = split_by_patient(
            rest, test=0, validation=settings.validation, seed=settings.seed, stratify=settings.stratify
        )
    except MedsegError as error:
        patients = len({case.patient for case in rest})
        found = f"{patients} labelled patients are left to learn and to choose by ({error})"
        mend = "Add patients, or ask for more folds, so that each leaves more to the others."
        raise DatasetError(f"fold {number}", found, mend, "at least 2") from error
    test = tuple(sorted({*split.validation, *split.test}))
    return Fold(split.validation, Split(inner.train, inner.validation, test))


def _require_disjoint(splits: Sequence[Split], cases: Sequence[Case]) -> None:
    whose = {case.id: case.patient for case in cases}
    seen: dict[str, int] = {}
    for number, split in enumerate(splits):
        if not split.validation:
            raise DatasetError(f"fold {number}", "holds no case out", "Give every fold cases to validate on.")
        for patient in sorted({whose[name] for name in split.validation}):
            before = seen.setdefault(patient, number)
            if before != number:
                found = f"holds patient {patient} out, as fold {before} does"
                raise DatasetError(f"fold {number}", found, "Hold each patient out once.")
