"""The blocks of nnU-Net v2's networks, their weights under the names that nnU-Net gives them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

__all__ = ["ACTIVATIONS", "NORMS", "ConvNorm", "ConvStack", "Layers", "ResidualBlock", "ResidualStack"]

NORMS = ("InstanceNorm", "BatchNorm")
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "LeakyReLU": nn.LeakyReLU,
    "ReLU": nn.ReLU,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "ELU": nn.ELU,
}
_CONVOLUTIONS: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_POOLS: dict[int, type[nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_NORMS: dict[tuple[str, int], type[nn.Module]] = {
    ("InstanceNorm", 2): nn.InstanceNorm2d,
    ("InstanceNorm", 3): nn.InstanceNorm3d,
    ("BatchNorm", 2): nn.BatchNorm2d,
    ("BatchNorm", 3): nn.BatchNorm3d,
}


@dataclass(frozen=True)
class Layers:
    """What all blocks of a network share.

    Args:
        dims: 2 or 3.
        bias: Whether convolutions have one (those of shortcuts never do).
        norm: One of `NORMS`, or none.
        norm_options: Of the norm's class, such as `eps` and `affine`.
        activation: One of `ACTIVATIONS`, or none.
        activation_options: Of the activation's class, such as `negative_slope`.
        activation_first: Convolution, activation, norm; else norm before activation.
    """

    dims: int
    bias: bool = True
    norm: str | None = "InstanceNorm"
    norm_options: dict[str, Any] = field(default_factory=dict)
    activation: str | None = "LeakyReLU"
    activation_options: dict[str, Any] = field(default_factory=dict)
    activation_first: bool = False

    def convolution(
        self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int], *, bias: bool
    ) -> nn.Module:
        """A convolution that keeps the size of its input but for its stride."""
        padding = tuple((size - 1) // 2 for size in kernel)
        return _CONVOLUTIONS[self.dims](inputs, outputs, tuple(kernel), tuple(stride), padding, bias=bias)

    def normalisation(self, features: int) -> nn.Module | None:
        """The norm of so many features."""
        return None if self.norm is None else _NORMS[self.norm, self.dims](features, **self.norm_options)

    def nonlinearity(self) -> nn.Module | None:
        """The activation; it writes over its input."""
        return None if self.activation is None else ACTIVATIONS[self.activation](**self.activation_options)

    def pool(self, stride: Sequence[int]) -> nn.Module:
        """Means over blocks of voxels."""
        return _POOLS[self.dims](tuple(stride), tuple(stride))


class ConvNorm(nn.Module):
    """A convolution, its norm and, unless told otherwise, its activation."""

    def __init__(
        self,
        layers: Layers,
        inputs: int,
        outputs: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        *,
        bias: bool | None = None,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.conv = layers.convolution(inputs, outputs, kernel, stride, bias=layers.bias if bias is None else bias)
        self.norm = layers.normalisation(outputs)
        self.active = layers.nonlinearity() if active else None
        rest = (self.active, self.norm) if layers.activation_first else (self.norm, self.active)
        self._rest = tuple(step for step in rest if step is not None)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, inputs, *grid) to (B, outputs, *grid / stride)."""
        features = self.conv(features)
        for step in self._rest:
            features = step(features)
        return features


class ConvStack(nn.Module):
    """Convolutions one after the other, of which the first strides."""

    def __init__(
        self, layers: Layers, count: int, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]
    ) -> None:
        super().__init__()
        first = ConvNorm(layers, inputs, outputs, kernel, stride)
        others = (ConvNorm(layers, outputs, outputs, kernel, (1,) * layers.dims) for _ in range(count - 1))
        self.convs = nn.Sequential(first, *others)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, inputs, *grid) to (B, outputs, *grid / stride)."""
        result: torch.Tensor = self.convs(features)
        return result


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut that pools where they stride (ResNet-D, He et al. 2019)."""

    def __init__(self, layers: Layers, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]) -> None:
        super().__init__()
        one = (1,) * layers.dims
        self.conv1 = ConvNorm(layers, inputs, outputs, kernel, stride)
        self.conv2 = ConvNorm(layers, outputs, outputs, kernel, one, active=False)
        shortcut: list[nn.Module] = [layers.pool(stride)] if tuple(stride) != one else []
        if inputs != outputs:
            shortcut.append(ConvNorm(layers, inputs, outputs, one, one, bias=False, active=False))
        self.skip = nn.Sequential(*shortcut)
        self.active = layers.nonlinearity() or nn.Identity()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, inputs, *grid) to (B, outputs, *grid / stride)."""
        result: torch.Tensor = self.active(self.conv2(self.conv1(features)) + self.skip(features))
        return result


class ResidualStack(nn.Module):
    """Residual blocks one after the other, of which the first strides."""

    def __init__(
        self, layers: Layers, count: int, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]
    ) -> None:
        super().__init__()
        first = ResidualBlock(layers, inputs, outputs, kernel, stride)
        others = (ResidualBlock(layers, outputs, outputs, kernel, (1,) * layers.dims) for _ in range(count - 1))
        self.blocks = nn.Sequential(first, *others)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, inputs, *grid) to (B, outputs, *grid / stride)."""
        result: torch.Tensor = self.blocks(features)
        return result
