"""What a training config can say."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from medseg.config import Settings
from medseg.datasets import CaseTable
from medseg.options import ReadOptions
from medseg.training.losses.settings import LossSettings
from medseg.transforms.augment import AugmentSettings

__all__ = ["LearningSettings", "LogSettings", "TrainSettings"]


class LearningSettings(Settings):
    """How the weights are learnt."""

    learning_rate: float = Field(1e-3, gt=0, description="Peak of AdamW's learning rate.")
    weight_decay: float = Field(1e-2, ge=0)
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps in which the rate rises from 0.")
    ema: float = Field(
        0.995, ge=0, lt=1, description="Decay of the running mean of the weights, which is what is kept."
    )
    gradient_clip: float = Field(5.0, gt=0, description="Largest norm of the gradient.")
    foreground: float = Field(0.5, ge=0, le=1, description="Share of patches centred on a labelled voxel.")
    steps_per_epoch: int = Field(50, ge=1)
    validations: int = Field(10, ge=1, description="How often the validation cases are predicted, evenly spread.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: str = "auto"


class LogSettings(Settings):
    """Where else than in the run's own files a training is logged."""

    tensorboard: bool = Field(False, description="TensorBoard events in RUN/tensorboard.")
    mlflow: bool = Field(False, description="MLflow, in the SQLite file RUN/../mlflow.db.")
    samples: int = Field(4, ge=0, description="Validation cases whose predictions are drawn at each validation.")


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
    def folder(self) -> Path:
        """Where the run is written."""
        return self.out or Path("runs") / self.name
