"""A U-Net over a classification network's encoder (ResNet, EfficientNet): MONAI's FlexibleUNet.

Options of `plan.network.options`: `encoder` (resnet34 by default) and `weights`, a local file of the encoder's
weights. Nothing is ever downloaded.
"""

from typing import Any

import torch
from monai.networks.layers.factories import Conv, Norm
from monai.networks.nets import FlexibleUNet
from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE
from torch import nn

from medseg.errors import ConfigError
from medseg.networks.layers import activation, norm, require_divisible, require_options
from medseg.plan import Plan

__all__ = ["flexible", "flexible_arguments", "is_plain_monai"]

_PADDED = ("resnet18", "resnet34")  # whose shortcuts MONAI pads with zeros


def is_plain_monai(plan: Plan) -> bool:
    """Whether it is MONAI's network as it comes; see `flexible`."""
    return plan.dims == 3 or _encoder(plan) not in _PADDED


def flexible_arguments(plan: Plan) -> dict[str, Any]:
    """Arguments of `monai.networks.nets.FlexibleUNet`; the plan's norm and activation are the decoder's."""
    width = plan.network.features[0]
    return {
        "in_channels": len(plan.channels),
        "out_channels": plan.outputs,
        "backbone": _encoder(plan),
        "pretrained": False,
        "decoder_channels": [width * 2**level for level in (4, 3, 2, 1, 0)],
        "spatial_dims": plan.dims,
        "norm": norm(plan, (width,)),
        "act": activation(plan),
        "dropout": plan.network.dropout,
    }


def flexible(plan: Plan) -> nn.Module:
    """MONAI's FlexibleUNet; of the plan's levels it takes the first one's features, for the finest of its decoder.

    The 2D ResNet-18 and -34 get the shortcuts that ImageNet's weights have, a convolution with a norm; the 3D ones
    are padded with zeros, as MedicalNet's weights want it and MONAI has it in both.

    Raises:
        ConfigError: There is no such encoder, or the patch is not a multiple of 32.
    """
    require_options(plan, ("encoder", "weights"))
    encoder = _encoder(plan)
    if encoder not in FLEXUNET_BACKBONE.register_dict:
        known = ", ".join(FLEXUNET_BACKBONE.register_dict)
        raise ConfigError("plan.network.options.encoder", f"{encoder!r} is not known", "Choose one of these.", known)
    require_divisible(plan)
    network = FlexibleUNet(**flexible_arguments(plan))
    if encoder in _PADDED:
        _mend_shortcuts(network.encoder, plan.dims)
    return network


def _encoder(plan: Plan) -> str:
    return str(plan.network.options.get("encoder", "resnet34"))


class _PaddedShortcut(nn.Module):
    """Every second voxel, and zeros for the features that are new (option A of He et al. 2015), in 3D.

    What MONAI does there, but that the gradient flows through it.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        kept = features[..., ::2, ::2, ::2]
        empty = kept.new_zeros(kept.shape[0], self.features - kept.shape[1], *kept.shape[2:])
        return torch.cat((kept, empty), dim=1)


def _mend_shortcuts(encoder: nn.Module, dims: int) -> None:
    for layer in ("layer2", "layer3", "layer4"):
        block: Any = encoder.get_submodule(f"{layer}.0")
        before, after = block.conv1.in_channels, block.conv1.out_channels
        if dims == 3:
            block.downsample = _PaddedShortcut(after)
            continue
        conv = Conv[Conv.CONV, 2](before, after, kernel_size=1, stride=2, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        block.downsample = nn.Sequential(conv, Norm[Norm.BATCH, 2](after))
