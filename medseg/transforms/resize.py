"""Resampling of tensors that keeps their extent."""

import torch
import torch.nn.functional as F

__all__ = ["resize"]


def resize(voxels: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Linear resampling of (C, *spatial) that keeps the extent; 2D is smoothed before it is made smaller."""
    if tuple(voxels.shape[1:]) == shape:
        return voxels
    if len(shape) == 2:
        return F.interpolate(voxels[None], shape, mode="bilinear", antialias=True)[0]
    return F.interpolate(voxels[None], shape, mode="trilinear")[0]
