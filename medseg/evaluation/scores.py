"""Overlap of a predicted with a reference mask, label by label.

Definitions as in Metrics Reloaded (Maier-Hein 2024, doi:10.1038/s41592-023-02151-z). Where a label is empty in both
masks its overlap is undefined (NaN, left out of means and counted); where it is empty in one of them every
overlap score is 0, precision of an empty prediction and recall of an empty reference included. Specificity and npv are
recall and precision of what is not the label, by the same rule: NaN where the label fills both masks, 0 where it fills
one of them. Voxels that nobody judged count in no score.
"""

import math
from dataclasses import dataclass

import numpy as np

from medseg.errors import GridMismatchError
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["Overlap", "overlaps"]

_INDICES = IGNORE_INDEX + 1


@dataclass(frozen=True)
class Overlap:
    """How one label of a prediction agrees with the reference, counted in voxels.

    Args:
        label: Its name.
        true_positive: Voxels that both masks have.
        false_positive: Voxels of the prediction only.
        false_negative: Voxels of the reference only.
        true_negative: Voxels of neither.
    """

    label: str
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def empty(self) -> bool:
        """Whether neither mask has the label."""
        return self.true_positive + self.false_positive + self.false_negative == 0

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return self._share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN), the Jaccard index."""
        return self._share(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 where the prediction alone is empty."""
        return self._share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """TP / (TP + FN), also called sensitivity; 0 where the reference alone is empty."""
        return self._share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def judged(self) -> int:
        """How many voxels were judged."""
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all voxels that were judged; NaN only where none was."""
        return (self.true_positive + self.true_negative) / self.judged if self.judged else math.nan

    @property
    def specificity(self) -> float:
        """TN / (TN + FP): the recall of what is not the label."""
        return self._outside.recall

    @property
    def npv(self) -> float:
        """TN / (TN + FN), the negative predictive value: the precision of what is not the label."""
        return self._outside.precision

    @property
    def balanced_accuracy(self) -> float:
        """Mean of recall and specificity; NaN where either is."""
        return (self.recall + self.specificity) / 2

    @property
    def youden(self) -> float:
        """Recall + specificity - 1, Youden's J; NaN where either is."""
        return self.recall + self.specificity - 1

    @property
    def positive_likelihood_ratio(self) -> float:
        """Recall / (1 - specificity); infinite where nothing but the label was found, NaN where nothing was."""
        missed = 1 - self.specificity
        if missed:
            return self.recall / missed
        return math.inf if self.recall else math.nan

    def f_beta(self, beta: float) -> float:
        """(1 + β²) TP / ((1 + β²) TP + β² FN + FP), in which recall counts β times as much as precision.

        Dice where β is 1 (van Rijsbergen 1979).
        """
        hits = (1 + beta**2) * self.true_positive
        return self._share(hits, hits + beta**2 * self.false_negative + self.false_positive)

    @property
    def mcc(self) -> float:
        """Matthews' correlation coefficient of the voxels of both masks, -1 to 1 (Chicco 2020).

        1 where both masks are full, 0 where a mask is full or empty and the other is not.
        """
        if self.empty:
            return math.nan
        if not self.false_positive + self.false_negative:
            return 1.0
        # One factor after another, since the product of four counts of voxels exceeds what a float holds exactly.
        sides = [
            self.true_positive + self.false_positive, self.true_positive + self.false_negative,
            self.true_negative + self.false_positive, self.true_negative + self.false_negative,
        ]  # fmt: skip
        if not all(sides):
            return 0.0
        gain = self.true_positive * self.true_negative - self.false_positive * self.false_negative
        return gain / math.prod(math.sqrt(side) for side in sides)

    @property
    def kappa(self) -> float:
        """Cohen's κ = (accuracy - chance) / (1 - chance): agreement beyond that of masks of these sizes by chance.

        1 where both masks are full, 0 where one mask is empty.
        """
        if self.empty:
            return math.nan
        predicted, true = self.true_positive + self.false_positive, self.true_positive + self.false_negative
        by_chance = predicted * true + (self.judged - predicted) * (self.judged - true)
        agreed = (self.true_positive + self.true_negative) * self.judged
        return (agreed - by_chance) / (self.judged**2 - by_chance) if self.judged**2 > by_chance else 1.0

    @property
    def relative_volume_difference(self) -> float:
        """(predicted - reference) / reference: -1 where nothing was found, NaN where the reference is empty."""
        true = self.true_positive + self.false_negative
        return (self.false_positive - self.false_negative) / true if true else math.nan

    @property
    def _outside(self) -> "Overlap":
        """The same of what is not the label."""
        return Overlap(self.label, self.true_negative, self.false_negative, self.false_positive, self.true_positive)

    def _share(self, part: float, whole: float) -> float:
        if self.empty:
            return math.nan
        return part / whole if whole else 0.0


def overlaps(prediction: np.ndarray, reference: np.ndarray, labels: Labels, where: str = "prediction") -> list[Overlap]:
    """Compare two masks of class indices, or of channels.

    Args:
        prediction: Class indices (uint8), shape (x, y[, z]), or channels of 0 and 1 of labels that overlap, shape
            (labels, x, y[, z]); a voxel it leaves unjudged counts as background.
        reference: The same of the reference; where it is `IGNORE_INDEX` nothing counts.
        labels: The labels of both, in the order of their indices.
        where: What an error calls the prediction.

    Raises:
        GridMismatchError: The masks are of different shapes.
    """
    if prediction.shape != reference.shape:
        raise GridMismatchError(
            where,
            f"a mask of shape {prediction.shape} against a reference of {reference.shape}",
            "Score masks on one grid.",
        )
    if not labels.exclusive:
        return [_overlap(*each) for each in zip(labels.names, prediction, reference, strict=True)]
    confusion = _confusion(prediction, reference)
    confusion = np.delete(confusion, IGNORE_INDEX, axis=0)
    judged = int(confusion.sum())
    found = []
    for index, name in enumerate(labels.names, start=1):
        both = int(confusion[index, index])
        predicted, true = int(confusion[:, index].sum()), int(confusion[index].sum())
        found.append(Overlap(name, both, predicted - both, true - both, judged - predicted - true + both))
    return found


def _overlap(name: str, prediction: np.ndarray, reference: np.ndarray) -> Overlap:
    """Of one of several labels that may overlap."""
    said, true, judged = prediction == 1, reference == 1, reference != IGNORE_INDEX
    both, predicted, of_reference, known = (int(mask.sum()) for mask in (said & true, said & judged, true, judged))
    return Overlap(name, both, predicted - both, of_reference - both, known - predicted - of_reference + both)


def _confusion(prediction: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Voxels by reference index (rows) and predicted index (columns), shape (256, 256).

    Voxels that are background in both are most of a scan, and are counted without being looked at one by one.
    """
    shown = (prediction != 0) | (reference != 0)
    pairs = reference[shown].astype(np.int32) * _INDICES + prediction[shown]
    confusion = np.bincount(pairs, minlength=_INDICES**2).reshape(_INDICES, _INDICES)
    confusion[0, 0] += prediction.size - len(pairs)
    return confusion
