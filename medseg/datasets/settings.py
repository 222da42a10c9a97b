"""What the config of every training can say: which cases, how they are read, and which of them teach."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from medseg.config import Settings
from medseg.datasets.case_table import CaseTable
from medseg.datasets.dataset import Dataset
from medseg.datasets.split_files import read_split
from medseg.datasets.splits import Split, k_folds, split_by_patient
from medseg.options import ReadOptions

__all__ = ["DatasetSettings", "chosen_split"]


class DatasetSettings(Settings):
    """The keys of a config that are the same whatever is trained."""

    dataset: Path = Field(description="Folder of the data set, its manifest, or an HDF5 file.")
    layout: str | None = Field(None, description="A name as `medseg inspect --help` lists; recognised where left out.")
    labels: dict[str, Any] | None = Field(
        None, description="`name: file value`, colour or names of structures, with `ignore`."
    )
    codes: dict[str, Any] | None = Field(
        None, description="What labels mean in DICOM's codes, by name: of medseg's table, or in full."
    )
    cases: CaseTable | None = Field(
        None, description="CSV in the data set with patients, splits, spacings and columns."
    )
    modality: str = Field("", description="CT, MR, PT, MG, DX ...; read from the files where left out.")
    name: str = Field("training", description="Name of the run.")
    out: Path | None = Field(None, description="Folder of the run; runs/NAME where left out.")
    seed: int = Field(0, ge=0)
    test: float = Field(0.2, ge=0, lt=1, description="Share of the patients kept apart as test part.")
    validation: float = Field(0.1, gt=0, lt=1)
    stratify: str | tuple[str, ...] | None = Field(None, description="Columns whose values all parts have alike.")
    folds: int | None = Field(None, ge=2, description="Number of folds to cross-validate by, `fold` of which is run.")
    fold: int | None = Field(None, ge=0, description="Which fold, of `folds` or of the file `split`.")
    split: Path | None = Field(None, description="A split or folds from a file, in place of a drawn one.")
    reading: ReadOptions = Field(ReadOptions(), description="How files become images; kept with the model.")
    unreadable: Literal["stop", "leave_out"] = Field("stop", description="What a case does that cannot be read.")
    jobs: int | None = Field(None, ge=1, description="Processes that prepare cases; one a processor.")

    @model_validator(mode="after")
    def _one_split(self) -> Self:
        if self.split is not None and (self.folds is not None or self.stratify is not None):
            raise ValueError("a split from a file is not drawn: leave folds and stratify away")
        if self.folds is not None and (self.fold is None or self.fold >= self.folds):
            raise ValueError(f"say which of the {self.folds} folds to run: fold, from 0 to {self.folds - 1}")
        if self.fold is not None and self.folds is None and self.split is None:
            raise ValueError("fold needs folds (how many) or split (a file of folds)")
        return self

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.out or Path("runs") / self.name


def chosen_split(dataset: Dataset, settings: DatasetSettings) -> Split:
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
