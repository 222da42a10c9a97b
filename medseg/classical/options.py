"""What every classical method can be told: which channel, how it is smoothed, and which pieces of the mask stay."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from medseg.config import Settings

__all__ = ["Options", "RankedOptions", "Side", "SidedOptions"]

Side = Literal["bright", "dark"]


class Options(Settings):
    """Options of every method."""

    channel: int = Field(0, ge=0, description="Channel that is looked at, from 0.")
    smoothing_mm: float = Field(
        0.0, ge=0, description="Sigma of a Gaussian before all else, in mm (in pixels where the spacing is unknown)."
    )
    within: Literal["image", "nonzero", "body"] = Field(
        "image",
        description="Voxels that count, and can be found: all, those that are not 0 (skull-stripped MR), or those of "
        "the body without the air around it.",
    )
    off_border: bool = Field(
        False, description="Whether components that touch the image's border go: shadows, air, what is cut off."
    )
    fill_holes: bool = Field(False, description="Whether background that the mask encloses becomes part of it.")
    largest: bool = Field(False, description="Whether only the largest component stays.")
    min_size: float = Field(
        0.0, ge=0, description="Smaller components go: ml, or pixels of a 2D image or where the spacing is unknown."
    )


class SidedOptions(Options):
    """Options of the methods that look for what is brighter or darker than the rest."""

    side: Side = Field("bright", description="Whether what is sought is bright or dark.")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


class RankedOptions(SidedOptions):
    """Options of the methods that sort the voxels into classes by their intensity."""

    classes: int = Field(3, ge=2, le=5, description="How many classes the intensities are parted in.")
    take: Annotated[tuple[int, ...], BeforeValidator(_listed)] = Field(
        (1,), min_length=1, description="Ranks of the classes that are taken, 1 for the brightest (darkest) of all."
    )

    @model_validator(mode="after")
    def _ranks_exist(self) -> "RankedOptions":
        if min(self.take) < 1 or max(self.take) > self.classes:
            raise ValueError(f"take {list(self.take)} of {self.classes} classes: ranks go from 1 to {self.classes}")
        return self

    def ranks(self) -> tuple[int, ...]:
        """Numbers of the classes that are taken, counted from 0 for the darkest."""
        return tuple(self.classes - rank if self.side == "bright" else rank - 1 for rank in sorted(set(self.take)))
