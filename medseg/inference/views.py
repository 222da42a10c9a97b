"""Mirrored views of a window: test-time augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import torch

from medseg.inference.streaming import Network

__all__ = ["MirroredViews"]


@dataclass(frozen=True)
class MirroredViews:
    """A network that sees each window mirrored along every set of some axes, too; the logits are averaged.

    Args:
        network: Windows (B, C, *patch) to logits (B, outputs, *patch).
        axes: Spatial axes along which training mirrored; 2 ** len(axes) views in all.
    """

    network: Network
    axes: Sequence[int]

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Mean logits of the views, each turned back."""
        total = self.network(windows)
        sets = chain.from_iterable(combinations(self.axes, size) for size in range(1, len(self.axes) + 1))
        views = 1
        for mirrored in sets:
            dims = [2 + axis for axis in mirrored]
            total = total.add_(self.network(windows.flip(dims)).flip(dims))
            views += 1
        return total.div_(views)
