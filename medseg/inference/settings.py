"""How a model is run: device, precision, backend, speed and memory; read before torch is loaded."""

from typing import Literal, Self

from pydantic import Field, model_validator

from medseg.config import Settings
from medseg.training.memory import bytes_of

__all__ = ["InferenceSettings"]


class InferenceSettings(Settings):
    """What a user may say about a prediction, the same for every kind of model."""

    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto is bf16 where the processor computes in it."
    )
    backend: Literal["auto", "torch", "compile", "onnx", "openvino"] = Field(
        "auto", description="What computes the network; auto takes the fastest that is here and agrees with torch."
    )
    speed: Literal["fast", "normal", "best"] = Field(
        "normal", description="fast: windows overlap less; normal: as in the plan; best: mirrored views are averaged."
    )
    max_memory: str | None = Field(None, description="Most memory that a prediction may hold, such as 6GiB.")
    portable: bool = Field(False, description="Predict exactly as the bundle does in plain MONAI.")
    trusted: bool = Field(False, description="Code that the model folder brings or names may run.")

    @property
    def memory_limit(self) -> int | None:
        """`max_memory` in bytes.

        Raises:
            ConfigError: It is no amount of memory.
        """
        return None if self.max_memory is None else bytes_of(self.max_memory)

    @model_validator(mode="after")
    def _portable_is_plain(self) -> Self:
        if self.portable and self.speed != "normal":
            raise ValueError(f"portable repeats plain MONAI, which has no speed {self.speed!r}: leave one of them out")
        return self
