"""Terms that see the shape of what is segmented: its centreline and how far its border lies off."""

from dataclasses import dataclass

import numpy as np
import torch
from monai.losses.cldice import soft_skel
from scipy import ndimage

from medseg.training.losses.comparison import Comparison

__all__ = ["CentrelineDice", "HausdorffDistance"]


@dataclass(frozen=True)
class CentrelineDice:
    """1 - soft clDice, for vessels and other tubes: how much of each centreline lies in the other mask (Shit 2021).

    Taken of each label of each patch in which it was looked for, then averaged; the skeleton is MONAI's `soft_skel`.

    Args:
        steps: Erosions of the skeleton: at least half the widest tube in voxels.
    """

    steps: int

    def __call__(self, seen: Comparison) -> torch.Tensor:
        """From 0 to 1, but for the smoothing of the paper (1 voxel on both sides of a fraction)."""
        shares, truth = seen.shares[:, seen.first_label :], seen.truth[:, seen.first_label :].to(seen.shares.dtype)
        with torch.no_grad():
            true_line = soft_skel(truth, self.steps)
        line = soft_skel(shares, self.steps)
        over = tuple(range(2, shares.ndim))
        precision = ((line * truth).sum(over) + 1) / (line.sum(over) + 1)
        sensitivity = ((true_line * shares).sum(over) + 1) / (true_line.sum(over) + 1)
        missing = 1 - 2 * precision * sensitivity / (precision + sensitivity)
        counts = seen.looked_for[:, seen.first_label :]
        return (missing * counts).sum() / counts.sum().clamp(min=1)


@dataclass(frozen=True)
class HausdorffDistance:
    """Squared errors times how far they lie from both borders, in voxels: the distance-transform loss of Karimi 2019.

    Distances are Euclidean, computed by scipy on the CPU; a mask that is empty or fills the patch has none.

    Args:
        power: Of the distances, alpha.
    """

    power: float

    def __call__(self, seen: Comparison) -> torch.Tensor:
        """A number of at least 0; the mean over judged voxels and labels."""
        shares, truth = seen.shares[:, seen.first_label :], seen.truth[:, seen.first_label :]
        with torch.no_grad():
            far = self._distances(shares > 0.5) + self._distances(truth)
        errors = (shares - truth.float()) ** 2 * far
        judged = seen.looked_for[:, seen.first_label :].sum() * shares[0, 0].numel()
        return errors.sum() / judged.clamp(min=1)

    def _distances(self, masks: torch.Tensor) -> torch.Tensor:
        """Distance of each voxel to the border of its mask to the power, shape (B, labels, *patch)."""
        fields = np.zeros(masks.shape, np.float32)
        for index in np.ndindex(*masks.shape[:2]):
            mask = masks[index].cpu().numpy()
            if mask.any() and not mask.all():
                fields[index] = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
        return torch.from_numpy(fields**self.power).to(masks.device)
