"""The plain U-Net: MONAI's DynUNet with the plan's levels."""

from typing import Any

from monai.networks.nets import DynUNet
from torch import nn

from medseg.networks.layers import activation, norm, require_divisible, require_options
from medseg.plan import Plan

__all__ = ["dynunet", "dynunet_arguments"]


def dynunet_arguments(plan: Plan) -> dict[str, Any]:
    """Arguments of `monai.networks.nets.DynUNet`, as a bundle writes them."""
    net = plan.network
    return {
        "spatial_dims": plan.dims,
        "in_channels": len(plan.channels),
        "out_channels": plan.outputs,
        "kernel_size": [list(kernel) for kernel in net.kernels],
        "strides": [list(stride) for stride in net.strides],
        "upsample_kernel_size": [list(stride) for stride in net.strides[1:]],
        "filters": list(net.features),
        "dropout": net.dropout or None,
        "norm_name": norm(plan, net.features),
        "act_name": activation(plan),
    }


def dynunet(plan: Plan) -> nn.Module:
    """MONAI's DynUNet as the plan says.

    Raises:
        ConfigError: The patch is not divisible by the strides.
    """
    require_options(plan)
    require_divisible(plan)
    network = DynUNet(**dynunet_arguments(plan))
    if plan.network.dropout:
        del network.output_block.conv.adn  # MONAI drops logits too; what is learned has nothing behind it to make up
    return network
