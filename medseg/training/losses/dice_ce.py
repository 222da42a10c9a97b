"""Dice + cross-entropy, both blind to ignored voxels (MONAI's DiceCELoss cannot ignore a class index)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from medseg.labels import IGNORE_INDEX
from medseg.training.batch import Batch

__all__ = ["DiceCrossEntropy"]


class DiceCrossEntropy(nn.Module):
    """Soft Dice over the foreground classes of the whole batch, plus cross-entropy (Isensee 2021).

    Args:
        class_weights: Of cross-entropy, background first; None for equal weights.
    """

    weights: torch.Tensor | None

    def __init__(self, class_weights: tuple[float, ...] | None = None) -> None:
        super().__init__()
        self.register_buffer("weights", None if class_weights is None else torch.tensor(class_weights))

    def forward(self, outputs: Sequence[torch.Tensor], batch: Batch) -> torch.Tensor:
        """Loss of the outputs of a network, finest first, (B, classes, *patch) each; lowest at about 0."""
        logits, indices = outputs[0], batch.targets.long()
        judged = indices != IGNORE_INDEX
        if not judged.any():
            return logits.sum() * 0.0
        cross_entropy = F.cross_entropy(logits.float(), indices, self.weights, ignore_index=IGNORE_INDEX)
        shares = logits.float().softmax(1) * judged[:, None]
        truth = F.one_hot(indices.where(judged, 0), logits.shape[1]).movedim(-1, 1) * judged[:, None]
        over = [0, *range(2, logits.ndim)]
        common = (shares * truth).sum(over)
        total = shares.sum(over) + truth.sum(over)
        dice = (2 * common + 1e-5) / (total + 1e-5)
        return cross_entropy + 1 - dice[1:].mean()
