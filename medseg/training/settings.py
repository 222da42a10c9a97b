"""What a training config can say."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from medseg.config import Settings
from medseg.datasets import CaseTable
from medseg.options import ReadOptions
from medseg.training.learning_settings import LearningSettings, LogSettings
from medseg.training.losses.settings import LossSettings
from medseg.training.memory import bytes_of
from medseg.transforms.augmentation.settings import AugmentSettings

__all__ = ["TrainSettings"]


class TrainSettings(Settings):
    """The keys of a training config.

    The budget is either `epochs` or `minutes`: minutes of wall time from the start of the first step, turned into
    steps once the speed is known. `plan` overrides any value of the computed plan.
    """

    dataset: Path = Field(description="Folder of the data set, its manifest, or an HDF5 file.")
    layout: str | None = Field(None, description="A name as `medseg inspect --help` lists; recognised where left out.")
    labels: dict[str, Any] | None = Field(
        None, description="`name: file value`, colour or names of structures, with `ignore`."
    )
    cases: CaseTable | None = Field(
        None, description="CSV in the data set with patients, splits, spacings and columns."
    )
    modality: str = Field("", description="CT, MR, PT, MG, DX ...; read from the files where left out.")
    name: str = Field("training", description="Name of the run.")
    out: Path | None = Field(None, description="Folder of the run; runs/NAME where left out.")
    minutes: float | None = Field(None, gt=0)
    epochs: int | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)
    init: Path | None = Field(None, description="Model folder whose weights and plan training starts from.")
    test: float = Field(0.2, ge=0, lt=1, description="Share of the patients kept apart as test part.")
    validation: float = Field(0.1, gt=0, lt=1)
    stratify: str | tuple[str, ...] | None = Field(None, description="Columns whose values all parts have alike.")
    folds: int | None = Field(None, ge=2, description="Number of folds to cross-validate by, `fold` of which is run.")
    fold: int | None = Field(None, ge=0, description="Which fold, of `folds` or of the file `split`.")
    split: Path | None = Field(None, description="A split or folds from a file, in place of a drawn one.")
    reading: ReadOptions = Field(ReadOptions(), description="How files become images; kept with the model.")
    preparation: tuple[dict[str, dict[str, Any]], ...] = Field(
        (), description="Steps before normalisation, names or `{name: {parameter: value}}`; kept with the model."
    )
    memory: str | None = Field(None, description="What one step may take, such as 8GiB; what the device has.")
    unreadable: Literal["stop", "leave_out"] = Field("stop", description="What a case does that cannot be read.")
    jobs: int | None = Field(None, ge=1, description="Processes that prepare cases; one a processor.")
    plan: dict[str, Any] = Field(default_factory=dict)
    augment: AugmentSettings = AugmentSettings()
    loss: LossSettings = LossSettings()
    learning: LearningSettings = LearningSettings()
    log: LogSettings = LogSettings()

    @field_validator("preparation", mode="before")
    @classmethod
    def _known_steps(cls, listed: Any) -> Any:
        if not isinstance(listed, (list, tuple)) or not listed:
            return listed
        # Not at the top: the other settings have to be checked without waiting for MONAI and torch.
        from medseg.transforms.preparation.steps import checked_steps

        return checked_steps(listed)

    @field_validator("memory")
    @classmethod
    def _an_amount(cls, memory: str | None) -> str | None:
        if memory is not None:
            bytes_of(memory)
        return memory

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.minutes is None) == (self.epochs is None):
            raise ValueError("give either minutes or epochs as the budget")
        return self

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
    def network_name(self) -> str | None:
        """The network that the config itself names, if it names one."""
        network = self.plan.get("network")
        name = network.get("name") if isinstance(network, dict) else None
        return name if isinstance(name, str) else None

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.out or Path("runs") / self.name
