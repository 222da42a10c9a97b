"""What holds for the cases of every layout: their order, ids of their own, the case table, and whose they are."""

from dataclasses import replace
from pathlib import Path

from medseg.case import Case
from medseg.datasets.case_table import CaseTable, described
from medseg.datasets.dataset import Dataset, counted, noted
from medseg.errors import DatasetError

__all__ = ["completed"]


def completed(dataset: Dataset, table: CaseTable | None) -> Dataset:
    """What a layout read, sorted by id, with what a case table says; of cases of one id, or of one image, the first.

    Args:
        dataset: As the layout read it. A case whose `patient` is empty becomes a patient of its own.
        table: A CSV in the data set's folder, beside it where the data set is a file.

    Raises:
        DatasetError: The table as a whole cannot be read.
    """
    dataset = _each_once(dataset)
    return _each_of_somebody(dataset if table is None else described(dataset, table))


def _each_once(dataset: Dataset) -> Dataset:
    kept: dict[str, Case] = {}
    shown: dict[tuple[Path, ...], str] = {}
    problems = list(dataset.problems)
    for case in sorted(dataset.cases, key=lambda case: case.id):
        with noted(problems):
            if case.id in kept:
                found = f"becomes the case {case.id!r}, as {kept[case.id].images[0]} does"
                raise DatasetError(case.images[0], found, "Keep one of them, or give each a name of its own.")
            if case.images in shown:  # as two patients, it could be learned from and tested on
                found = f"is the image of two cases, {shown[case.images]!r} and {case.id!r}"
                raise DatasetError(case.images[0], found, "Keep one of them.")
            kept[case.id], shown[case.images] = case, case.id
    return replace(dataset, cases=tuple(kept.values()), problems=tuple(problems))


def _each_of_somebody(dataset: Dataset) -> Dataset:
    unknown = [case.id for case in dataset.cases if not case.patient]
    if not unknown:
        return dataset
    cases = tuple(case if case.patient else replace(case, patient=case.id) for case in dataset.cases)
    text = "nothing says whose the images are: each case counts as a patient of its own"
    if len(unknown) < len(cases):
        (text,) = counted(unknown, "cases do not say whose they are and count as a patient each")
    return replace(dataset, cases=cases, warnings=(*dataset.warnings, text))
