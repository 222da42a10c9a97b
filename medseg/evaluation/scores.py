"""Overlap of a predicted with a reference mask, label by label.

Definitions as in Metrics Reloaded (Maier-Hein 2024, doi:10.1038/s41592-023-02151-z). Where a label is empty in both
masks its overlap is undefined (NaN, left out of means and counted); where it is empty in one of them every
overlap score is 0, precision of an empty prediction and recall of an empty reference included.
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
    def accuracy(self) -> float:
        """(TP + TN) / all voxels that were judged; NaN only where none was."""
        correct = self.true_positive + self.true_negative
        judged = correct + self.false_positive + self.false_negative
        return correct / judged if judged else math.nan

    def _share(self, part: int, whole: int) -> float:
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
