"""The terms that losses are made of: each takes a `Comparison` and gives a number, 0 where nobody judged."""

from dataclasses import dataclass

import torch

from medseg.training.losses.comparison import Comparison

__all__ = ["CrossEntropy", "Dice", "Focal", "GeneralisedDice", "Tversky"]

_SMOOTH = 1e-5  # of both sides of a fraction, so that a label that neither side has scores 1


@dataclass(frozen=True)
class CrossEntropy:
    """Mean over judged voxels (and labels, where they overlap), weighted by class: `F.cross_entropy`, or BCE."""

    def __call__(self, seen: Comparison) -> torch.Tensor:
        """A number of at least 0."""
        return _mean(-seen.log_true, seen.weights)


@dataclass(frozen=True)
class Focal:
    """Cross-entropy in which well learnt voxels count less: (1 - p)^gamma times it (Lin 2017)."""

    gamma: float

    def __call__(self, seen: Comparison) -> torch.Tensor:
        """A number of at least 0."""
        # 1 - p in a form whose gradient is finite for any power, p = 1 included.
        missing = (-torch.expm1(seen.log_true)).clamp(min=1e-7)
        return _mean(-(missing**self.gamma) * seen.log_true, seen.weights)


@dataclass(frozen=True)
class Dice:
    """1 - soft Dice, the mean over labels without background (Milletari 2016; Isensee 2021 with cross-entropy)."""

    over: str

    def __call__(self, seen: Comparison) -> torch.Tensor:
        """From 0 to 1."""
        both, said, true, counts = _of_labels(seen, self.over)
        return _mean_of_labels(1 - (2 * both + _SMOOTH) / (said + true + _SMOOTH), counts)


@dataclass(frozen=True)
class Tversky:
    """(1 - Tversky index)^gamma, the mean over labels (Salehi 2017; with gamma Abraham 2019).

    Args:
        alpha: Weight of false positives.
        beta: Weight of false negatives.
        gamma: Below 1 it raises the loss of labels that are nearly learnt.
        over: "batch" or "patch".
    """

    alpha: float
    beta: float
    gamma: float
    over: str

    def __call__(self, seen: Comparison) -> torch.Tensor:
        """From 0 to 1."""
        both, said, true, counts = _of_labels(seen, self.over)
        index = (both + _SMOOTH) / (both + self.alpha * (said - both) + self.beta * (true - both) + _SMOOTH)
        missing = 1 - index
        # The gradient of a root is infinite at 0.
        return _mean_of_labels(missing if self.gamma == 1 else missing.clamp(min=1e-7) ** self.gamma, counts)


@dataclass(frozen=True)
class GeneralisedDice:
    """Dice of all outputs in one fraction, each weighted by its inverse squared volume (Sudre 2017).

    Background is an output among others. An output that the truth lacks has the greatest weight of those that it has.
    """

    over: str

    def __call__(self, seen: Comparison) -> torch.Tensor:
        """From 0 to 1."""
        both, said, true = _sums(seen, self.over)
        weights = torch.where(true > 0, 1 / true.clamp(min=1) ** 2, 0)
        greatest = weights.amax(1, keepdim=True)
        greatest = torch.where(greatest > 0, greatest, 1)
        weights = torch.where(true > 0, weights, greatest)
        smooth = _SMOOTH * greatest[:, 0]
        common, total = (weights * both).sum(1), (weights * (said + true)).sum(1)
        return (1 - (2 * common + smooth) / (total + smooth)).mean()


def _mean(values: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    if weights is None:
        return values.mean()
    return (values * weights).sum() / weights.sum().clamp(min=1e-12)


def _sums(seen: Comparison, over: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Voxels of both, of what was said and of what is true: shape (1 or B, outputs), for the batch or each patch."""
    shares, truth = seen.shares.flatten(2), seen.truth.flatten(2).to(seen.shares.dtype)
    sums = torch.einsum("bov,bov->bo", shares, truth), shares.sum(2), truth.sum(2)
    if over == "patch":
        return sums
    return sums[0].sum(0, keepdim=True), sums[1].sum(0, keepdim=True), sums[2].sum(0, keepdim=True)


def _of_labels(seen: Comparison, over: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """`_sums` of the labels, and which of them anybody looked for."""
    both, said, true = (sums[:, seen.first_label :] for sums in _sums(seen, over))
    looked_for = seen.looked_for[:, seen.first_label :]
    return both, said, true, looked_for if over == "patch" else looked_for.any(0, keepdim=True)


def _mean_of_labels(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    return (values * counts).sum() / counts.sum().clamp(min=1)
