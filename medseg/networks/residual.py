"""The residual-encoder U-Net: residual blocks on the way down, one convolution a level on the way up.

The shape is that of nnU-Net's ResEnc (Isensee et al. 2024, "nnU-Net Revisited"), of MONAI's blocks: in a block's
shortcut a strided 1×1 convolution stands where nnU-Net pools and convolves.
"""

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.blocks.dynunet_block import UnetOutBlock, UnetResBlock, get_conv_layer
from monai.networks.nets import DynUNet
from torch import nn

from medseg.networks.layers import activation, norm, require_divisible, require_options
from medseg.plan import Plan

__all__ = ["BLOCKS", "ResidualUNet", "residual_unet"]

BLOCKS = (1, 3, 4, 6, 6, 6, 6, 6, 6, 6)  # of each level, where the plan does not say; nnU-Net's ResEnc-M and -L


class ResidualUNet(nn.Module):
    """A U-Net with a residual encoder.

    Args:
        dims: 2 or 3.
        channels: Of the images.
        outputs: Of the logits.
        features: Of each level, finest first.
        kernels: Of each level's convolutions.
        strides: By which each level is coarser than the one before.
        blocks: Residual blocks of each level.
        layers: `norm_name`, `act_name` and `dropout` of MONAI's blocks.
    """

    def __init__(
        self,
        dims: int,
        channels: int,
        outputs: int,
        features: Sequence[int],
        kernels: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        blocks: Sequence[int],
        layers: dict[str, Any],
    ) -> None:
        super().__init__()
        self.stem = get_conv_layer(
            dims,
            channels,
            features[0],
            kernels[0],
            norm=layers["norm_name"],
            act=layers["act_name"],
            bias=False,
            conv_only=False,
        )
        widths = [features[0], *features]
        levels = zip(widths[:-1], widths[1:], kernels, strides, blocks, strict=True)
        self.encoder_stages = nn.ModuleList(_encoder_stage(dims, *level, layers) for level in levels)
        ups = list(zip(features[1:], features[:-1], kernels[:-1], strides[1:], strict=True))
        self.decoder_stages = nn.ModuleList(_DecoderStage(dims, *up, layers) for up in reversed(ups))
        self.head = UnetOutBlock(dims, features[0], outputs)
        self.apply(DynUNet.initialize_weights)
        for module in self.modules():
            if isinstance(module, UnetResBlock) and module.norm2.weight is not None:
                # A block begins as its shortcut alone, which lets deep encoders learn from the first step.
                nn.init.zeros_(module.norm2.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, *patch) to logits (B, outputs, *patch)."""
        features = self.stem(images)
        skips = []
        for stage in self.encoder_stages:
            features = stage(features)
            skips.append(features)
        for stage, skip in zip(self.decoder_stages, reversed(skips[:-1]), strict=True):
            features = stage(features, skip)
        return self.head(features)


def residual_unet(plan: Plan) -> nn.Module:
    """The residual-encoder U-Net as the plan says.

    Raises:
        ConfigError: The patch is not divisible by the strides.
    """
    net = plan.network
    require_options(plan)
    require_divisible(plan)
    layers = {"norm_name": norm(plan, net.features), "act_name": activation(plan), "dropout": net.dropout or None}
    blocks = net.blocks or BLOCKS[: len(net.features)]
    return ResidualUNet(
        plan.dims, len(plan.channels), plan.outputs, net.features, net.kernels, net.strides, blocks, layers
    )


def _encoder_stage(
    dims: int,
    before: int,
    width: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    blocks: int,
    layers: dict[str, Any],
) -> nn.Module:
    """The first block strides, the others follow at its resolution."""
    first = UnetResBlock(dims, before, width, kernel, stride, **layers)
    return nn.Sequential(first, *(UnetResBlock(dims, width, width, kernel, 1, **layers) for _ in range(1, blocks)))


class _DecoderStage(nn.Module):
    """Brings features to the next finer level, joins what the encoder saw there, and convolves once."""

    def __init__(
        self,
        dims: int,
        coarse: int,
        width: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        layers: dict[str, Any],
    ) -> None:
        super().__init__()
        self.up = get_conv_layer(
            dims, coarse, width, stride, stride, act=None, norm=None, is_transposed=True, conv_only=False
        )
        self.conv = get_conv_layer(
            dims,
            2 * width,
            width,
            kernel,
            norm=layers["norm_name"],
            act=layers["act_name"],
            dropout=layers["dropout"],
            conv_only=False,
        )

    def forward(self, features: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.cat((self.up(features), skip), dim=1))
