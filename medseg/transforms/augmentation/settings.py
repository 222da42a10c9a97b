"""What a config can say about augmentation; checked without loading torch."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from medseg.config import Settings

__all__ = ["PRESETS", "AugmentSettings"]


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= bounds[0] <= bounds[1]:
        raise ValueError("give the smaller bound first, and none below 0")
    return bounds


def _sizes(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0.1 <= bounds[0] <= bounds[1] <= 10:
        raise ValueError("give two factors from 0.1 to 10, the smaller first")
    return bounds


Probability = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Factors = Annotated[tuple[float, float], AfterValidator(_sizes)]
Axis = Annotated[int, Field(ge=0, le=2)]

_DEGREES, _DEGREES_RADIOGRAPH = 30.0, 15.0
_OPERATIONS = (
    "rotation", "scaling", "shift", "elastic", "noise", "blur", "brightness", "contrast", "low_resolution", "gamma",
    "inverted_gamma", "exposure", "collimation", "inversion",
)  # fmt: skip
# What differs from the defaults below, which are the preset `full`.
PRESETS: dict[str, dict[str, Any]] = {
    "none": {"flip_axes": (), **dict.fromkeys(_OPERATIONS, 0.0)},
    "light": {
        "rotation_degrees": 10.0,
        "scaling_range": (0.9, 1.1),
        "noise_sd": (0.0, 0.05),
        "brightness_range": (0.9, 1.1),
        "gamma": 0.15,
        "gamma_range": (0.85, 1.2),
        **dict.fromkeys(("blur", "contrast", "low_resolution", "inverted_gamma"), 0.0),
        **dict.fromkeys(("exposure", "collimation", "inversion"), 0.0),
    },
    "full": {},
}


class AugmentSettings(Settings):
    """How training patches are varied: a preset, and over it any number of its own.

    A name by itself (`noise`) is the probability for one patch; of brightness, contrast, gamma, blur and low resolution
    each channel has a strength of its own. Strengths are drawn evenly from their range; of a range of factors the half
    below 1 and the half above it are equally likely. `full` is what nnU-Net 2 does by default, but for mirroring, which
    follows the anatomy; `light` is for few steps or delicate contrasts. The last three are for radiographs alone.
    """

    preset: Literal["none", "light", "full"] = "full"
    flip_axes: tuple[Axis, ...] | Literal["all"] = Field(
        (0,),
        description="Axes of the RAS grid that may be mirrored; 0 is left-right; all where the anatomy has no sides.",
    )
    flip: Probability = Field(0.5, description="Of each of these axes.")
    rotation: Probability = 0.2
    rotation_degrees: float | None = Field(
        None, ge=0, le=180, description="Largest angle about each axis; 30, and 15 for radiographs, where left out."
    )
    scaling: Probability = 0.2
    scaling_range: Factors = Field((0.7, 1.4), description="Size of what is seen, as a factor.")
    shift: Probability = Field(0.2, description="Of a shift; it matters where a patch holds the whole image.")
    shift_share: float = Field(0.05, ge=0, le=0.5, description="Largest shift as a share of the patch.")
    elastic: Probability = Field(0.0, description="Off, as nnU-Net's default: costly and seldom of use.")
    elastic_spacing: Factors = Field((0.2, 0.4), description="Between control points, as a share of the patch.")
    elastic_strength: float = Field(
        0.3, gt=0, le=0.4, description="Largest displacement as a share of that spacing; up to 0.4 nothing folds."
    )
    noise: Probability = 0.1
    noise_sd: Range = Field((0.0, 0.1), description="Of Gaussian noise, in sd of the normalised image.")
    blur: Probability = 0.1
    blur_sigma: Range = Field((0.5, 1.0), description="In voxels.")
    brightness: Probability = 0.15
    brightness_range: Factors = (0.75, 1.25)
    contrast: Probability = 0.15
    contrast_range: Factors = (0.75, 1.25)
    low_resolution: Probability = 0.125
    low_resolution_range: Annotated[Factors, Field(description="Share of the samples that is kept along an axis.")] = (
        0.5,
        1.0,
    )
    gamma: Probability = 0.3
    gamma_range: Factors = (0.7, 1.5)
    inverted_gamma: Probability = Field(0.1, description="Gamma of the negative, with the same range.")
    exposure: Probability = Field(0.2, description="Radiographs: another window, by width and level.")
    exposure_range: Factors = Field((0.6, 1.6), description="Contrast of that window.")
    exposure_shift: float = Field(0.2, ge=0, le=1, description="Largest change of its level, share of the grey range.")
    collimation: Probability = Field(0.1, description="Radiographs: an evenly dark border, as collimators leave it.")
    collimation_share: float = Field(0.15, gt=0, lt=0.5, description="Its greatest width as a share of the patch.")
    inversion: Probability = Field(0.05, description="Radiographs: grey values inverted, as in MONOCHROME1.")

    @model_validator(mode="before")
    @classmethod
    def _over_the_preset(cls, given: Any) -> Any:
        chosen = given.get("preset", "full") if isinstance(given, dict) else None
        return PRESETS[chosen] | given if isinstance(chosen, str) and chosen in PRESETS else given

    def degrees(self, radiograph: bool) -> float:
        """Largest angle of a rotation: that of the config, or what stands for it."""
        own = _DEGREES_RADIOGRAPH if radiograph else _DEGREES
        return own if self.rotation_degrees is None else self.rotation_degrees

    def mirrored(self, dims: int) -> tuple[int, ...]:
        """Axes that are mirrored at times, of images of so many axes."""
        if not self.flip:
            return ()
        return tuple(axis for axis in range(dims) if self.flip_axes == "all" or axis in self.flip_axes)
