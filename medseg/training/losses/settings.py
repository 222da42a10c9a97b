"""What a config says of the loss."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from medseg.config import Settings

__all__ = ["LossSettings"]

_WEIGHTED = ("dice_ce", "dice_focal", "ce", "hausdorff")  # losses with a term that class weights are of


class LossSettings(Settings):
    """What is made small in training."""

    name: Literal[
        "dice_ce",
        "dice",
        "dice_focal",
        "tversky",
        "focal_tversky",
        "generalised_dice",
        "ce",
        "cl_dice",
        "hausdorff",
    ] = Field("dice_ce", description="A name in `LOSSES`.")
    class_weights: Literal["balanced"] | tuple[float, ...] | None = Field(
        None,
        description="Weights of cross-entropy and focal loss, background first (of overlapping labels one each); "
        "balanced: so that each class counts alike, whatever its volume.",
    )
    supervision: tuple[float, ...] | None = Field(
        None, description="Weights of a network's outputs, finest first; 1, 1/2, 1/4 ... where left out."
    )
    dice_over: Literal["batch", "patch"] = Field(
        "batch", description="Whether Dice and its kin are taken of the whole batch, or of each patch and averaged."
    )
    false_positives: float = Field(0.3, ge=0, description="Their weight in the Tversky index, alpha.")
    false_negatives: float = Field(0.7, ge=0, description="Their weight in the Tversky index, beta.")
    focal_gamma: float = Field(2.0, ge=0, description="Power by which focal loss plays well learnt voxels down.")
    focal_tversky_gamma: float = Field(0.75, gt=0, description="Power of 1 - Tversky index in focal_tversky.")
    cl_dice_share: float = Field(0.5, ge=0, le=1, description="Share of clDice; the rest is Dice.")
    cl_dice_steps: int = Field(3, ge=1, description="Erosions of the soft skeleton: half the widest vessel in voxels.")
    hausdorff_weight: float = Field(1.0, ge=0, description="Of the distance term; 1 counts it like Dice + CE.")
    hausdorff_power: float = Field(2.0, gt=0, description="Power of the distances, alpha.")

    @model_validator(mode="after")
    def _weights_count(self) -> Self:
        if self.class_weights is not None and self.name not in _WEIGHTED:
            raise ValueError(f"{self.name} has no class weights, which are for {', '.join(_WEIGHTED)}: leave them away")
        return self

    def balanced(self, volumes: Sequence[float]) -> "LossSettings":
        """These settings with numbers for "balanced" weights: inversely proportional to the volumes, 1 on average.

        Args:
            volumes: Of each class, background first (of overlapping labels one each), in any unit. An empty one
                counts as the smallest of the others.
        """
        if self.class_weights != "balanced":
            return self
        smallest = min((volume for volume in volumes if volume > 0), default=1.0)
        inverse = [1 / max(volume, smallest) for volume in volumes]
        mean = sum(inverse) / len(inverse)
        return self.model_copy(update={"class_weights": tuple(weight / mean for weight in inverse)})
