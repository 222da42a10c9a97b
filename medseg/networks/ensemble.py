"""Several networks as one: the mean of their logits."""

from collections.abc import Iterable

import torch
from torch import nn

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Networks of one plan, such as the folds of a cross-validation; their logits are averaged, as in nnU-Net."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Mean logits (B, outputs, *patch) of images (B, C, *patch), one member after the other."""
        first, *others = self.members
        total = first(images)
        for member in others:
            total = total + member(images)
        return total / len(self.members)
