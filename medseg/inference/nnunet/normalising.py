"""nnU-Net's normalisations, each a few numbers from a pass over the image and then a rule for any part of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medseg.errors import InputError, ModelFolderError
from medseg.inference.nnunet.plans import Intensities

__all__ = ["Moments", "Rule", "moments_of", "normalise", "require_colours", "rule_of"]

_LEAST = 1e-8  # of what is divided by


@dataclass(frozen=True)
class Moments:
    """Of all voxels of a channel that a rule looks at."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Rule:
    """How one channel is normalised.

    Args:
        name: Of nnU-Net's class.
        masked: Only inside the body, which is what is not 0 in all channels, its holes filled.
        trained: What the training labels' voxels were like, where the rule goes by them.
    """

    name: str
    masked: bool = False
    trained: Intensities | None = None

    @property
    def by_image(self) -> bool:
        """Whether the image's own moments are needed."""
        return self.name in ("ZScoreNormalization", "RescaleTo01Normalization", "RGBTo01Normalization")


def rule_of(name: str, masked: bool, trained: Intensities | None, where: Path) -> Rule:
    """A channel's rule by its name in the plans.

    Raises:
        ModelFolderError: There is no such rule, or it lacks its numbers.
    """
    if name not in _RULES:
        mend = "medseg does not normalise in that way: predict with nnUNetv2_predict."
        raise ModelFolderError(where, f"normalises by {name}", mend, ", ".join(_RULES))
    if name == "CTNormalization" and trained is None:
        raise ModelFolderError(where, "has no intensities for CTNormalization", "Restore the plans of the training.")
    return Rule(name, masked and name == "ZScoreNormalization", trained)


def moments_of(parts: Iterable[np.ndarray]) -> Moments:
    """Moments of voxels that come part by part; of no voxel at all 0."""
    count, total, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    shift = 0.0  # near the mean, so that squares keep their digits
    for part in parts:
        if part.size == 0:
            continue
        if count == 0:
            shift = float(part.mean(dtype=np.float64))
        away = part.astype(np.float64) - shift
        count, total, squares = count + part.size, total + float(away.sum()), squares + float((away**2).sum())
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if count == 0:
        return Moments(0.0, 0.0, 0.0, 0.0)
    mean = total / count
    return Moments(mean + shift, max(squares / count - mean**2, 0.0) ** 0.5, low, high)


def normalise(voxels: torch.Tensor, rule: Rule, moments: Moments, inside: torch.Tensor | None) -> torch.Tensor:
    """A part of one channel, float32, any shape.

    Args:
        voxels: In their own unit; may be written to.
        rule: The channel's.
        moments: Of the whole channel, where the rule needs them.
        inside: Of a masked rule, which voxels lie in the body.
    """
    normalised = _RULES[rule.name](voxels, rule, moments)
    return torch.where(inside, normalised, voxels) if rule.masked and inside is not None else normalised


def require_colours(moments: Sequence[Moments], rules: Sequence[Rule], where: str | Path) -> None:
    """Refuse values that are no 8-bit colours where the model was trained on such.

    Raises:
        InputError: Values below 0 or above 255.
    """
    for rule, found in zip(rules, moments, strict=True):
        if rule.name == "RGBTo01Normalization" and (found.low < 0 or found.high > 255):
            mend = "Give pictures of 8 bits, as in training."
            raise InputError(where, f"values of {found.low:g} to {found.high:g}", mend, "0 to 255")


def _ct(voxels: torch.Tensor, rule: Rule, moments: Moments) -> torch.Tensor:
    trained = rule.trained
    assert trained is not None  # `rule_of` saw to it
    clipped = voxels.clamp(trained.percentile_00_5, trained.percentile_99_5)
    return clipped.sub_(trained.mean).div_(max(trained.std, _LEAST))


def _zscore(voxels: torch.Tensor, rule: Rule, moments: Moments) -> torch.Tensor:
    return (voxels - moments.mean).div_(max(moments.sd, _LEAST))


def _nothing(voxels: torch.Tensor, rule: Rule, moments: Moments) -> torch.Tensor:
    return voxels


def _to_one(voxels: torch.Tensor, rule: Rule, moments: Moments) -> torch.Tensor:
    return (voxels - moments.low).div_(max(moments.high - moments.low, _LEAST))


def _colour(voxels: torch.Tensor, rule: Rule, moments: Moments) -> torch.Tensor:
    return voxels / 255.0


_RULES: dict[str, Callable[[torch.Tensor, Rule, Moments], torch.Tensor]] = {
    "CTNormalization": _ct,
    "ZScoreNormalization": _zscore,
    "NoNormalization": _nothing,
    "RescaleTo01Normalization": _to_one,
    "RGBTo01Normalization": _colour,
}
