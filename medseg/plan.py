"""Every number that preprocessing, patching, the network and restoring need; saved with the model."""

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from medseg.config import Settings
from medseg.errors import ModelFolderError
from medseg.geometry import Geometry
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["NetworkPlan", "Normalisation", "Plan", "Postprocessing", "model_root", "read_plan"]


class Normalisation(Settings):
    """How the intensities of one channel become numbers around 0.

    `ct`: clip to [lower, upper] HU, subtract `mean`, divide by `sd` (all from the training labels' voxels).
    `zscore`: subtract the mean and divide by the sd of the image's non-zero voxels (MR, PET).
    `percentile`: the image's own percentiles `lower` and `upper` go to -1 and 1, clipped (radiographs).
    """

    method: Literal["ct", "zscore", "percentile"]
    lower: float = 0.0
    upper: float = 0.0
    mean: float = 0.0
    sd: float = 1.0


class NetworkPlan(Settings):
    """A network: features, kernel size and stride of each level of a U-Net, first level first."""

    name: str = Field(
        "dynunet", description="dynunet, resenc, segresnet, flexible, or your own factory as package.module:factory."
    )
    features: tuple[int, ...]
    kernels: tuple[tuple[int, ...], ...]
    strides: tuple[tuple[int, ...], ...]
    blocks: tuple[int, ...] = Field((), description="Residual blocks of each level, where the network has such.")
    norm: Literal["instance", "batch", "group"] = "instance"
    activation: Literal["leakyrelu", "relu", "gelu", "swish"] = "leakyrelu"
    dropout: float = Field(0.0, ge=0, lt=1)
    deep_supervision: bool = Field(True, description="Whether coarser levels of the decoder are trained too.")
    options: dict[str, Any] = Field(default_factory=dict, description="What else the factory takes, such as encoder.")

    @property
    def factors(self) -> tuple[int, ...]:
        """What each axis of a patch must be a multiple of, so that every halving is whole."""
        axes = tuple(zip(*self.strides, strict=True))
        if self.name == "segresnet":  # halves every axis at every level
            return (2 ** (len(self.features) - 1),) * len(axes)
        if self.name == "flexible":  # as ImageNet's encoders do, five times
            return (32,) * len(axes)
        return tuple(math.prod(strides) for strides in axes)

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        levels = {len(self.features), len(self.kernels), len(self.strides)}
        if len(levels) > 1 or min(levels) < 3:
            raise ValueError("features, kernels and strides need one entry a level, and at least 3 levels")
        if self.blocks and len(self.blocks) != len(self.features):
            raise ValueError("blocks needs one entry a level, or none for the network's own numbers")
        return self


class Postprocessing(Settings):
    """What is done to a mask after the network, for each label by its name; chosen on out-of-fold predictions.

    Sizes are in ml, or in pixels where the spacing is unknown or the image is 2D.
    """

    threshold: dict[str, float] = Field(
        default_factory=dict, description="Probability from which a label counts, where not 0.5 or the largest."
    )
    largest: tuple[str, ...] = Field((), description="Labels of which only the largest component stays.")
    min_size: dict[str, float] = Field(default_factory=dict, description="Smaller components are taken away.")


class Plan(Settings):
    """What a model does to an image, from reading to restoring.

    `spacing_mm` is the grid on which the network works. Where training images have no physical spacing it is
    `None`, and `longest_side` pixels are used instead.
    """

    version: Literal[1] = 1
    dims: Literal[2, 3]
    channels: tuple[str, ...]
    modality: str
    labels: dict[str, Any]
    spacing_mm: tuple[float, ...] | None
    longest_side: int | None = None
    resampling: Literal["linear", "cubic"] = Field("linear", description="Of images; masks are linear per class.")
    normalisation: tuple[Normalisation, ...]
    crop_above: float | None = Field(
        None, description="Voxels above this belong to the body; the rest is cropped away."
    )
    preparation: tuple[dict[str, dict[str, Any]], ...] = Field(
        (), description="Steps between reorientation and normalisation, each a name with all its parameters."
    )
    patch_size: tuple[int, ...]
    batch_size: int
    network: NetworkPlan
    step_mib: int | None = Field(None, description="Estimate of the MiB that one training step holds.")
    overlap: float = 0.5
    portable: bool = True
    reading: ReadOptions = ReadOptions()
    postprocessing: Postprocessing = Postprocessing()
    mirror_axes: tuple[int, ...] = Field(
        (), description="Axes that training mirrored; speed=best averages those views."
    )
    air_is_background: bool | None = Field(
        None, description="Whether the network finds nothing in air, so that its windows are left out; unknown if null."
    )
    members: int = Field(1, ge=1, description="Networks whose logits are averaged; the folds of a cross-validation.")
    reasons: dict[str, str] = Field(default_factory=dict, description="Why each computed number is what it is.")

    @property
    def label_set(self) -> Labels:
        """The labels as declared."""
        return Labels.from_config(self.labels)

    @property
    def title(self) -> str:
        """What the network is, for people."""
        net = self.network
        names = {"dynunet": "U-Net", "resenc": "residual-encoder U-Net", "segresnet": "SegResNet"}
        names["flexible"] = f"U-Net over {net.options.get('encoder', 'resnet34')}"
        several = f" (ensemble of {self.members})" if self.members > 1 else ""
        return f"{self.dims}D {names.get(net.name, net.name)}{several}"

    @property
    def outputs(self) -> int:
        """Channels of the network's logits: a class each, background too, or one a label where labels overlap."""
        labels = self.label_set
        return labels.classes if labels.exclusive else len(labels.names)

    def working_shape(self, geometry: Geometry) -> tuple[int, ...]:
        """Shape of the network's grid over a (canonical) image grid; both have the same extent."""
        if self.spacing_mm is not None:
            zoom = [have / want for have, want in zip(geometry.spacing_mm, self.spacing_mm, strict=True)]
        else:
            zoom = [(self.longest_side or max(geometry.shape)) / max(geometry.shape)] * geometry.ndim
        return tuple(max(1, round(n * z)) for n, z in zip(geometry.shape, zoom, strict=True))


def model_root(folder: Path) -> Path:
    """The model folder itself, where the folder of its run was given."""
    inner = folder / "model"
    return inner if (inner / "plan.json").exists() else folder


def read_plan(path: Path) -> Plan:
    """A plan from its JSON file.

    Raises:
        ModelFolderError: The file is missing or is not a plan.
    """
    try:
        return Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFolderError(
            path, f"cannot be read ({error})", "Pass the folder that `medseg train` wrote."
        ) from error
    except ValidationError as error:
        raise ModelFolderError(
            path, f"is not a plan ({error.errors()[0]['msg']})", "Train again, or restore the file."
        ) from error
