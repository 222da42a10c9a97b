"""What a config says of the loss."""

from pydantic import Field

from medseg.config import Settings

__all__ = ["LossSettings"]


class LossSettings(Settings):
    """What is made small in training."""

    class_weights: tuple[float, ...] | None = Field(None, description="Weights of cross-entropy, background first.")
