"""The U-Net: MONAI's DynUNet with the plan's levels."""

from typing import Any

from monai.networks.nets import DynUNet
from torch import nn

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
        "norm_name": ["INSTANCE", {"affine": True}],
        "act_name": ["leakyrelu", {"inplace": True, "negative_slope": 0.01}],
    }


def dynunet(plan: Plan) -> nn.Module:
    """MONAI's DynUNet as the plan says."""
    return DynUNet(**dynunet_arguments(plan))
