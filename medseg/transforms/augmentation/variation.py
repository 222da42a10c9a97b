"""Augmentation in two parts: drawing what happens to a patch, and letting it happen."""

from dataclasses import dataclass

import torch

from medseg.transforms.augmentation.collimation import Collimation
from medseg.transforms.augmentation.intensities import Change
from medseg.transforms.augmentation.warp import Warp

__all__ = ["Variation"]


@dataclass(frozen=True, slots=True)
class Variation:
    """What was drawn for one patch; it can be applied again and told in words (`str`).

    Args:
        warp: Where its voxels come from.
        changes: Of its grey values, in this order.
        collimation: A covered border, last.
    """

    warp: Warp
    changes: tuple[Change, ...] = ()
    collimation: Collimation | None = None

    @property
    def reach(self) -> tuple[int, ...]:
        """Shape of the source patch that it needs, the patch in its middle."""
        return self.warp.reach

    def apply(self, image: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The patch as the network sees it.

        Args:
            image: float32, shape (C, *reach); it is given away and may be changed.
            targets: uint8, shape (*reach) or (labels, *reach); as well.

        Returns:
            Image (C, *patch) and targets ([labels,] *patch). Class indices are those of the nearest voxel, so that no
            new ones appear but `IGNORE_INDEX` under a collimated border. Where nothing moves these are the arguments.
        """
        overlapping = targets.ndim == image.ndim
        seen, indices = self.warp.apply(image, targets if overlapping else targets[None])
        for change in self.changes:
            change.apply(seen.numpy())
        if self.collimation is not None:
            self.collimation.apply(seen.numpy(), indices.numpy())
        return seen, indices if overlapping else indices[0]

    def __str__(self) -> str:
        said = [str(self.warp), *map(str, self.changes), str(self.collimation or "")]
        return ", ".join(text for text in said if text)
