"""What a network says of a batch beside what is true of it: in one form for all losses and both kinds of labels.

Partly labelled cases need no loss of their own. Where labels exclude one another, those that nobody looked for in a
case are added to its background, which is then learnt as "background, or something that nobody looked for": the
marginal loss of Shi 2021 (doi:10.1016/j.media.2021.101979) and Fidon 2021 (doi:10.1007/978-3-030-87196-3_31). Where
labels overlap, an output without a reader teaches nothing.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from medseg.labels import IGNORE_INDEX

__all__ = ["Comparison", "brought_to", "compare_exclusive", "compare_overlapping"]

_NEVER = -1e9  # a logit whose probability is 0, and whose product with 0 is not NaN as that of infinity


@dataclass(frozen=True, eq=False)
class Comparison:
    """Probabilities and truth of each output: background and labels, or labels alone where they may overlap.

    Args:
        shares: Probabilities, shape (B, outputs, *patch); 0 where nobody judged.
        truth: Boolean, of the same shape; false where nobody judged.
        log_true: Log of the probability that the truth was given, shape (B, *patch), or (B, labels, *patch) where
            labels overlap.
        weights: Of each entry of `log_true`, 0 where nobody judged; None where all count alike.
        looked_for: Outputs that were judged in a sample, boolean, shape (B, outputs).
        first_label: Index of the first output that is a label.
    """

    shares: torch.Tensor
    truth: torch.Tensor
    log_true: torch.Tensor
    weights: torch.Tensor | None
    looked_for: torch.Tensor
    first_label: int


def compare_exclusive(
    logits: torch.Tensor, targets: torch.Tensor, judged: torch.Tensor, class_weights: torch.Tensor | None = None
) -> Comparison:
    """Softmax against class indices.

    Args:
        logits: Shape (B, classes, *patch).
        targets: Class indices, uint8, shape (B, *patch).
        judged: Labels that somebody looked for, boolean, shape (B, labels).
        class_weights: Background first.
    """
    looked_for = F.pad(judged, (1, 0), value=True)
    if not judged.all():
        logits = _merged(logits, looked_for)
    log_shares = logits.log_softmax(1)
    classes = torch.arange(logits.shape[1], dtype=torch.uint8, device=targets.device)
    truth = targets[:, None] == classes.view(1, -1, *[1] * (targets.ndim - 1))
    known = targets != IGNORE_INDEX
    if not judged.all():
        truth &= looked_for.view(*looked_for.shape, *[1] * (targets.ndim - 1))
        truth[:, 0] = known & ~truth[:, 1:].any(1)
    indices = truth.to(torch.uint8).argmax(1) if not judged.all() else targets.where(known, 0).long()
    log_true = log_shares.gather(1, indices[:, None])[:, 0]
    weights = None if class_weights is None else class_weights[indices]
    shares = log_shares.exp()
    if not known.all():
        shares = shares * known[:, None]
        weights = known.float() if weights is None else weights * known
    return Comparison(shares, truth, log_true, weights, looked_for, 1)


def compare_overlapping(
    logits: torch.Tensor, targets: torch.Tensor, judged: torch.Tensor, class_weights: torch.Tensor | None = None
) -> Comparison:
    """Sigmoid against binary channels.

    Args:
        logits: Shape (B, labels, *patch).
        targets: 0 and 1, uint8, shape (B, labels, *patch).
        judged: Labels that somebody looked for, boolean, shape (B, labels).
        class_weights: One a label.
    """
    wide = (*judged.shape, *[1] * (logits.ndim - 2))
    known = (targets != IGNORE_INDEX) & judged.view(wide)
    truth = (targets == 1) & known
    log_true = F.logsigmoid(torch.where(truth, logits, -logits))
    weights = None if class_weights is None else class_weights.view(1, -1, *wide[2:]).expand_as(logits)
    shares = logits.sigmoid()
    if not known.all():
        shares = shares * known
        weights = known.float() if weights is None else weights * known
    return Comparison(shares, truth, log_true, weights, judged, 0)


def brought_to(targets: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Targets at a coarser output's spatial shape: of each voxel the nearest, as nnU-Net does."""
    for axis, (have, want) in enumerate(zip(targets.shape[-len(shape) :], shape, strict=True), start=-len(shape)):
        if have != want:
            nearest = ((torch.arange(want, device=targets.device) + 0.5) * (have / want)).long()
            targets = targets.index_select(axis, nearest)
    return targets


def _merged(logits: torch.Tensor, looked_for: torch.Tensor) -> torch.Tensor:
    """Logits in which the background of each sample takes in the labels that nobody looked for there."""
    own = looked_for.view(*looked_for.shape, *[1] * (logits.ndim - 2))
    background = logits[:, 1:].masked_fill(own[:, 1:], _NEVER)
    united = torch.cat([logits[:, :1], background], 1).logsumexp(1, keepdim=True)
    return torch.cat([united, logits[:, 1:].masked_fill(~own[:, 1:], _NEVER)], 1)
