"""Logits of a prepared volume by MONAI's sliding window."""

import torch
from monai.inferers import sliding_window_inference
from torch import nn

from medseg.plan import Plan

__all__ = ["window_logits"]


def window_logits(network: nn.Module, voxels: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Logits (classes, *working shape), float32, of voxels (C, *working shape), blended by a Gaussian.

    A volume smaller than the patch is padded with 0 on both sides, as in training.
    """
    with torch.inference_mode():
        return sliding_window_inference(
            voxels[None],
            plan.patch_size,
            plan.batch_size,
            lambda windows: network(windows).float(),
            overlap=plan.overlap,
            mode="gaussian",
        )[0]
