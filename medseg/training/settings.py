"""What a training config can say."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from medseg.datasets.settings import DatasetSettings
from medseg.training.learning_settings import LearningSettings, LogSettings
from medseg.training.losses.settings import LossSettings
from medseg.training.memory import bytes_of
from medseg.transforms.augmentation.settings import AugmentSettings

__all__ = ["TrainSettings"]


class TrainSettings(DatasetSettings):
    """The keys of a training config.

    The budget is either `epochs` or `minutes`: minutes of wall time from the start of the first step, turned into
    steps once the speed is known. `plan` overrides any value of the computed plan.
    """

    minutes: float | None = Field(None, gt=0)
    epochs: int | None = Field(None, gt=0)
    init: Path | None = Field(None, description="Model folder whose weights and plan training starts from.")
    preparation: tuple[dict[str, dict[str, Any]], ...] = Field(
        (), description="Steps before normalisation, names or `{name: {parameter: value}}`; kept with the model."
    )
    memory: str | None = Field(None, description="What one step may take, such as 8GiB; what the device has.")
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

    @property
    def network_name(self) -> str | None:
        """The network that the config itself names, if it names one."""
        network = self.plan.get("network")
        name = network.get("name") if isinstance(network, dict) else None
        return name if isinstance(name, str) else None
