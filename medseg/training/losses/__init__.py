"""What is made small in training: `LOSSES` by name, on labels that exclude one another and on such that overlap."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from medseg.errors import ConfigError
from medseg.labels import Labels
from medseg.training.batch import Batch
from medseg.training.losses.comparison import Comparison, brought_to, compare_exclusive, compare_overlapping
from medseg.training.losses.settings import LossSettings
from medseg.training.losses.shape import CentrelineDice, HausdorffDistance
from medseg.training.losses.terms import CrossEntropy, Dice, Focal, GeneralisedDice, Tversky

__all__ = ["LOSSES", "Loss", "LossSettings", "Term", "build_loss"]

Term = Callable[[Comparison], torch.Tensor]


class Loss(nn.Module):
    """A term, over all outputs of a network.

    Args:
        term: What is made small.
        exclusive: Softmax over classes with background, or else sigmoid for each label.
        class_weights: One for each output channel, or None.
        supervision: Weight of each output of the network, finest first, of which only the ratios matter; an output
            beyond the last has none. Halved from one to the next where None.
    """

    class_weights: torch.Tensor | None

    def __init__(
        self,
        term: Term,
        exclusive: bool,
        class_weights: Sequence[float] | None = None,
        supervision: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.term = term
        self.compare = compare_exclusive if exclusive else compare_overlapping
        self.supervision = supervision
        self.register_buffer("class_weights", None if class_weights is None else torch.tensor(class_weights))

    def forward(self, outputs: Sequence[torch.Tensor], batch: Batch) -> torch.Tensor:
        """Loss of the outputs of a network: logits (B, channels, *shape), finest first; 0 where nobody judged.

        A coarser output is compared with the targets brought to its shape.
        """
        weights = self.supervision or [0.5**level for level in range(len(outputs))]
        used = [(weight, logits) for weight, logits in zip(weights, outputs, strict=False) if weight > 0]
        total = sum(weight for weight, _ in used)
        parts = []
        for weight, logits in used:
            targets = brought_to(batch.targets, logits.shape[2:])
            seen = self.compare(logits.float(), targets, batch.judged, self.class_weights)
            parts.append(weight / total * self.term(seen))
        return torch.stack(parts).sum()


def build_loss(labels: Labels, settings: LossSettings) -> Loss:
    """The loss of a config.

    Raises:
        ConfigError: There is not one class weight for each class, "balanced" ones were given no volumes
            (`LossSettings.balanced`), or no output has a weight.
    """
    weights = settings.class_weights
    channels = labels.classes if labels.exclusive else len(labels.names)
    if isinstance(weights, str):
        mend = "Give numbers: the volumes of the classes are not known here."
        raise ConfigError("loss.class_weights", weights, mend, f"{channels} numbers")
    if weights is not None and (len(weights) != channels or min(weights) < 0 or max(weights) == 0):
        mend = "Give one for the background and one for each label."
        mend = mend if labels.exclusive else "Give one for each label: where labels overlap there is no background."
        found = f"{len(weights)} weights" if len(weights) != channels else f"{list(weights)}"
        raise ConfigError("loss.class_weights", found, mend, f"{channels}, none below 0 and not all 0")
    supervision = settings.supervision
    if supervision is not None and (not supervision or min(supervision) < 0 or supervision[0] == 0):
        mend = "Give the weight of the finest output first, such as [1, 0.5, 0.25]."
        raise ConfigError("loss.supervision", f"{list(supervision)}", mend, "none below 0 and the first above it")
    return Loss(LOSSES[settings.name](settings), labels.exclusive, weights, supervision)


def _dice(settings: LossSettings) -> Term:
    return Dice(settings.dice_over)


def _dice_ce(settings: LossSettings) -> Term:
    dice, entropy = Dice(settings.dice_over), CrossEntropy()
    return lambda seen: entropy(seen) + dice(seen)


def _dice_focal(settings: LossSettings) -> Term:
    dice, focal = Dice(settings.dice_over), Focal(settings.focal_gamma)
    return lambda seen: focal(seen) + dice(seen)


def _tversky(settings: LossSettings) -> Term:
    return Tversky(settings.false_positives, settings.false_negatives, 1.0, settings.dice_over)


def _focal_tversky(settings: LossSettings) -> Term:
    gamma = settings.focal_tversky_gamma
    return Tversky(settings.false_positives, settings.false_negatives, gamma, settings.dice_over)


def _generalised_dice(settings: LossSettings) -> Term:
    return GeneralisedDice(settings.dice_over)


def _cross_entropy(settings: LossSettings) -> Term:
    return CrossEntropy()


def _cl_dice(settings: LossSettings) -> Term:
    dice, line, share = Dice(settings.dice_over), CentrelineDice(settings.cl_dice_steps), settings.cl_dice_share
    return lambda seen: (1 - share) * dice(seen) + share * line(seen)


def _hausdorff(settings: LossSettings) -> Term:
    """Dice + CE, and distances in a share that makes both alike in size, as in Karimi 2019, here step by step.

    Distances in voxels to the second power are hundreds at first and would drown the rest; their share is at most 1.
    """
    region, distance, weight = (
        _dice_ce(settings),
        HausdorffDistance(settings.hausdorff_power),
        settings.hausdorff_weight,
    )

    def both(seen: Comparison) -> torch.Tensor:
        overlap, far = region(seen), distance(seen)
        share = (overlap.detach() / far.detach().clamp(min=1e-12)).clamp(max=1)
        return overlap + weight * share * far

    return both


LOSSES: dict[str, Callable[[LossSettings], Term]] = {
    "dice_ce": _dice_ce,
    "dice": _dice,
    "dice_focal": _dice_focal,
    "tversky": _tversky,
    "focal_tversky": _focal_tversky,
    "generalised_dice": _generalised_dice,
    "ce": _cross_entropy,
    "cl_dice": _cl_dice,
    "hausdorff": _hausdorff,
}
