"""What a config says of how the weights are learnt, and of where a training is logged."""

from typing import Literal

from pydantic import Field

from medseg.config import Settings

__all__ = ["LearningSettings", "LogSettings", "Optimiser", "Precision", "Schedule"]

Optimiser = Literal["adamw", "adam", "sgd", "rmsprop"]
Schedule = Literal["cosine", "poly", "one_cycle", "plateau"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

# Peak rate and weight decay of each optimiser where the config gives none; SGD's are nnU-Net's (Isensee 2021).
_DEFAULTS: dict[str, tuple[float, float]] = {
    "adamw": (1e-3, 1e-2),
    "adam": (1e-3, 1e-5),
    "sgd": (1e-2, 3e-5),
    "rmsprop": (3e-4, 1e-5),
}


class LearningSettings(Settings):
    """How the weights are learnt."""

    optimiser: Optimiser = Field("adamw", description="sgd is with Nesterov's momentum.")
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Peak of the learning rate; by optimiser 1e-3 (adamw, adam), 1e-2 (sgd), 3e-4 (rmsprop).",
    )
    weight_decay: float | None = Field(
        None, ge=0, description="Of weights, not of norms and biases; by optimiser 1e-2 (adamw), 3e-5 (sgd), 1e-5."
    )
    momentum: float = Field(0.99, ge=0, lt=1, description="Of sgd (Nesterov).")
    schedule: Schedule = Field(
        "cosine", description="How the rate falls to 0; on a plateau of the validation Dice it falls by steps instead."
    )
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps in which the rate rises (not poly).")
    power: float = Field(0.9, gt=0, description="Of the schedule poly.")
    plateau: int = Field(3, ge=1, description="Validations without a better Dice after which the rate is halved.")
    patience: int | None = Field(
        None,
        ge=1,
        description="Validations without a better Dice after which training stops early; never if not given.",
    )
    ema: float = Field(
        0.995, ge=0, lt=1, description="Decay of the running mean of the weights, which is what is kept."
    )
    gradient_clip: float = Field(5.0, gt=0, description="Largest norm of the gradient.")
    foreground: float = Field(0.5, ge=0, le=1, description="Share of patches centred on a labelled voxel.")
    lesion_cases: float | None = Field(
        None, gt=0, lt=1, description="Share of patches from cases that hold any label; as the cases come if not given."
    )
    steps_per_epoch: int = Field(50, ge=1)
    validations: int = Field(10, ge=1, description="How often the validation cases are predicted, evenly spread.")
    precision: Precision = Field("auto", description="bf16 where the processor computes in it; fp16 needs a GPU.")
    device: str = Field("auto", description="cpu, cuda or mps.")
    compile: bool = Field(False, description="Whether torch.compile makes the network faster; it takes minutes first.")
    workers: int | None = Field(
        None, ge=1, description="Threads that make batches ahead; 1 on a CPU, up to 8 beside a GPU."
    )
    lower_batch: bool = Field(False, description="Whether to halve the batch and go on when memory does not suffice.")

    @property
    def peak_rate(self) -> float:
        """The learning rate that was given, or the optimiser's own."""
        return _DEFAULTS[self.optimiser][0] if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """The weight decay that was given, or the optimiser's own."""
        return _DEFAULTS[self.optimiser][1] if self.weight_decay is None else self.weight_decay


class LogSettings(Settings):
    """Where else than in the run's own files a training is logged."""

    tensorboard: bool = Field(False, description="TensorBoard events in RUN/tensorboard.")
    mlflow: bool = Field(False, description="MLflow, in the SQLite file RUN/../mlflow.db.")
    samples: int = Field(4, ge=0, description="Validation cases whose predictions are drawn at each validation.")
