"""What a user may choose about scoring: tolerances, the definition of a distance, and when a lesion counts as found."""

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from medseg.config import Settings, check
from medseg.errors import ConfigError
from medseg.labels import Labels

__all__ = ["BORDER_VOXELS", "SURFACE_DISTANCE", "Definition", "Match", "Scoring", "Tolerance", "scoring_of"]

Definition = Literal["border-voxels", "surface-distance"]
Match = Literal["any", "iou", "centroid"]
Tolerance = float | Mapping[str, float]
BORDER_VOXELS: Definition = "border-voxels"
SURFACE_DISTANCE: Definition = "surface-distance"
_THRESHOLDS: dict[str, float] = {"any": 0.0, "iou": 0.1, "centroid": 10.0}


class Scoring(Settings):
    """How masks are scored.

    Args:
        nsd_tolerance: How far apart borders may be for the normalised surface Dice: mm, or pixels where the spacing is
            unknown.
        tolerances: The same of single labels, by name.
        definition: Of border distances: "border-voxels" (as MONAI and Metrics Reloaded) or "surface-distance"
            (as DeepMind's package, weighted by area).
        beta: How much more recall counts than precision in `f_beta`.
        match: When a predicted and a reference lesion are one: "any" voxel of both, an "iou" of at least the threshold,
            or "centroid"s no further apart than it.
        match_threshold: IoU (0.1 where left out), or a distance in mm or pixels (10).
        confidence: What a predicted lesion's confidence is of its probabilities.
        bins: Of the reliability curve.
        resamples: How often patients are drawn for the intervals of means.
        seed: Of these draws; the same seed gives the same intervals.
    """

    nsd_tolerance: float = Field(1.0, ge=0, allow_inf_nan=False)
    tolerances: dict[str, float] = Field(default_factory=dict)
    definition: Definition = BORDER_VOXELS
    beta: float = Field(2.0, gt=0, allow_inf_nan=False)
    match: Match = "any"
    match_threshold: float | None = Field(None, ge=0, allow_inf_nan=False)
    confidence: Literal["max", "mean"] = "max"
    bins: int = Field(10, ge=1, le=1000)
    resamples: int = Field(10_000, ge=100)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _threshold_is_of_something(self) -> Self:
        if self.match == "any" and self.match_threshold:
            raise ValueError(
                'match_threshold says nothing where match is "any": leave it out, or match by "iou" or "centroid"'
            )
        return self

    @property
    def threshold(self) -> float:
        """`match_threshold`, or what stands for it."""
        return _THRESHOLDS[self.match] if self.match_threshold is None else self.match_threshold

    def tolerance_of(self, label: str) -> float:
        """Of the normalised surface Dice of a label."""
        return self.tolerances.get(label, self.nsd_tolerance)

    def require_labels(self, labels: Labels) -> None:
        """Refuse a tolerance of a label that there is not.

        Raises:
            ConfigError: There is one.
        """
        unknown = sorted(self.tolerances.keys() - set(labels.names))
        if unknown:
            raise ConfigError(
                "nsd_tolerance",
                f"a label {unknown[0]!r}",
                "Take one of these names, or say which value has that one (`--label NAME=VALUE`).",
                ", ".join(labels.names),
            )


def scoring_of(tolerance: Tolerance = 1.0, others: Mapping[str, Any] | None = None) -> Scoring:
    """How to score.

    Args:
        tolerance: Of the normalised surface Dice: of all labels, or by label (1 for those not named).
        others: Further fields of `Scoring`.

    Raises:
        ConfigError: A tolerance is negative or no number, or another field does not fit.
    """
    by_label = tolerance if isinstance(tolerance, Mapping) else {"nsd_tolerance": tolerance}
    for distance in by_label.values():
        if isinstance(distance, bool) or not isinstance(distance, (int, float)) or not 0 <= distance < math.inf:
            raise ConfigError("nsd_tolerance", repr(distance), "Give a distance, such as 1.0.", "0 or more")
    own = {"tolerances": dict(by_label)} if isinstance(tolerance, Mapping) else dict(by_label)
    return check(Scoring, own | dict(others or {}), "scoring")
