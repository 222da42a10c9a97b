"""The split that the settings of a training ask for."""

from pathlib import Path

from medseg.datasets import Dataset, Split, k_folds, read_split, split_by_patient
from medseg.plan import model_root
from medseg.training.settings import TrainSettings

__all__ = ["chosen_split", "learnt_before"]


def chosen_split(dataset: Dataset, settings: TrainSettings) -> Split:
    """Read from a file, one of several folds, or drawn by shares.

    Raises:
        DatasetError: The file does not fit the data set, or there are too few patients.
    """
    if settings.split is not None:
        return read_split(settings.split, dataset.cases, settings.fold)
    if settings.folds is not None and settings.fold is not None:
        folds = k_folds(
            dataset.cases, settings.folds, test=settings.test, seed=settings.seed, stratify=settings.stratify
        )
        return folds[settings.fold]
    return split_by_patient(
        dataset.cases,
        test=settings.test,
        validation=settings.validation,
        seed=settings.seed,
        stratify=settings.stratify,
    )


def learnt_before(model: Path, split: Split) -> tuple[str, ...]:
    """Validation and test cases that a model folder has learnt from, as far as the split beside it tells."""
    path = model_root(model).parent / "split.json"
    if not path.is_file():
        return ()
    return tuple(sorted({*Split.load(path).train} & {*split.validation, *split.test}))
