"""What one step learns from."""

from dataclasses import dataclass

import torch

__all__ = ["Batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches with what is known of them.

    Args:
        images: float32, shape (B, C, *patch).
        targets: uint8. Class indices, shape (B, *patch); of labels that may overlap 0 and 1 for each, shape
            (B, labels, *patch). `IGNORE_INDEX` where nobody judged.
        judged: Whether somebody looked for a label in the case, boolean, shape (B, labels). A voxel of the background
            may belong to a label that nobody looked for.
    """

    images: torch.Tensor
    targets: torch.Tensor
    judged: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(t.to(device, non_blocking=True) for t in (self.images, self.targets, self.judged)))
