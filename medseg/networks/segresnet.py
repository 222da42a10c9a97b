"""SegResNet (Myronenko 2018): MONAI's, as wide as the plan's first level and as deep as it has levels."""

from typing import Any

from monai.networks.nets import SegResNet
from torch import nn

from medseg.networks.layers import activation, norm, require_divisible, require_options
from medseg.plan import Plan

__all__ = ["segresnet", "segresnet_arguments"]

_BLOCKS = (1, 2, 2, 4, 4, 4, 4, 4, 4, 4)


def segresnet_arguments(plan: Plan) -> dict[str, Any]:
    """Arguments of `monai.networks.nets.SegResNet`; its levels double the features and halve every axis."""
    net = plan.network
    levels, width = len(net.features), net.features[0]
    return {
        "spatial_dims": plan.dims,
        "init_filters": width,
        "in_channels": len(plan.channels),
        "out_channels": plan.outputs,
        "dropout_prob": net.dropout or None,
        "act": activation(plan),
        "norm": norm(plan, (width,)),
        "blocks_down": list(net.blocks or _BLOCKS[:levels]),
        "blocks_up": [1] * (levels - 1),
    }


def segresnet(plan: Plan) -> nn.Module:
    """MONAI's SegResNet; of the plan's levels it takes their number and the first one's features.

    Raises:
        ConfigError: The patch cannot be halved so often.
    """
    require_options(plan)
    require_divisible(plan)
    return SegResNet(**segresnet_arguments(plan))
