"""How sure a model was of a mask, by its own probabilities: no reference is needed.

A few figures of a case made from the probabilities of its voxels tell failures well (Zenk et al. 2025, Medical Image
Analysis 101:103392, doi:10.1016/j.media.2024.103392); they order cases and are no promise of a score.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medseg.image import Segmentation

__all__ = ["Confidence", "confidence_of"]

_BAND = 2  # voxels on either side of the predicted border
_NOTHING = 0.01  # probabilities below are rounding, and would outweigh a small lesion in a large volume


@dataclass(frozen=True)
class Confidence:
    """How sure a model was of one case.

    Args:
        expected_dice: Dice that the mask has on average if the probabilities are right, mean over the labels. Of a
            label that was not found: how sure it is that there is none.
        border_entropy: Mean entropy of the probabilities in a band of two voxels round the predicted border, as a
            share of the greatest possible; that of the most doubtful voxel where nothing was found.
    """

    expected_dice: float
    border_entropy: float


def confidence_of(segmentation: Segmentation) -> Confidence:
    """The figures of a segmentation with probabilities.

    Expected Dice is the ratio of the expectations, 2 Σ pᵢmᵢ / (Σ pᵢ + Σ mᵢ) with the mask m and probabilities p.

    Args:
        segmentation: With probabilities of the foreground labels, shape (labels, x, y[, z]).

    Raises:
        ValueError: It has none.
    """
    shares = segmentation.probabilities
    if shares is None:
        raise ValueError("a segmentation without probabilities says nothing of its confidence")
    masks = [segmentation.of(name) for name in segmentation.labels.names]
    expected = [_expected_dice(mask, share) for mask, share in zip(masks, shares, strict=True)]
    return Confidence(float(np.mean(expected)), _border_entropy(masks, shares, segmentation.labels.exclusive))


def _expected_dice(mask: np.ndarray, share: np.ndarray) -> float:
    if not mask.any():
        return 1.0 - float(share.max(initial=0))
    possible = share[share >= _NOTHING].sum(dtype=np.float64)
    return float(2 * share[mask].sum(dtype=np.float64) / (possible + mask.sum()))


def _border_entropy(masks: list[np.ndarray], shares: np.ndarray, exclusive: bool) -> float:
    found = np.logical_or.reduce(masks)
    if not found.any():
        return float(_entropy(shares.reshape(len(shares), -1), exclusive).max(initial=0))
    box = tuple(
        slice(max(0, part.start - _BAND), part.stop + _BAND) for part in ndimage.find_objects(found.astype(np.uint8))[0]
    )
    band = np.zeros(found[box].shape, bool)
    for mask in (mask[box] for mask in masks if mask.any()):
        # What lies beyond the image is taken as inside: its edge is no border.
        inner = ndimage.binary_erosion(mask, iterations=_BAND, border_value=1)
        band |= ndimage.binary_dilation(mask, iterations=_BAND) & ~inner
    return float(_entropy(shares[(slice(None), *box)][:, band], exclusive).mean()) if band.any() else 0.0


def _entropy(shares: np.ndarray, exclusive: bool) -> np.ndarray:
    """Entropy of each voxel from 0 to 1; of labels that may overlap, the mean over them."""
    p = shares.astype(np.float32)
    if not exclusive:
        return ((_plogp(p) + _plogp(1 - p)) / math.log(2)).mean(axis=0)
    every = np.concatenate([np.clip(1 - p.sum(axis=0, keepdims=True), 0, 1), p])
    return _plogp(every).sum(axis=0) / math.log(len(every))


def _plogp(p: np.ndarray) -> np.ndarray:
    return -p * np.log(np.clip(p, 1e-7, 1))
