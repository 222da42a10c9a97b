"""Otsu's threshold as a segmenter: the baseline that any trained network must beat."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medseg.errors import LabelError
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.shares import kept_shares, opened_shares

__all__ = ["Otsu"]

_BINS = 256


@dataclass(frozen=True)
class Otsu:
    """Splits the first channel where the variance between its two sides is largest (Otsu 1979).

    The histogram has 256 bins over the finite voxels' range. An image with fewer than two values has no threshold:
    its mask is empty, with a note. It is a `medseg.segmenter.Segmenter`.

    Args:
        bright: Whether the label lies above the threshold, or else below it.
        labels: One label; "foreground" with the value 1 unless given.

    Raises:
        LabelError: There is more than one label.
    """

    bright: bool = True
    labels: Labels = field(default_factory=lambda: Labels.from_config({"foreground": 1}))

    def __post_init__(self) -> None:
        if len(self.labels.labels) != 1:
            raise LabelError(
                "labels", f"{len(self.labels.labels)} labels", "Give the one that is to be found.", "one label"
            )

    def segment(self, image: Image, *, probabilities: bool | Path = False) -> Segmentation:
        """Label the voxels on one side of the threshold; probabilities are 0 or 1."""
        voxels = image.voxels[0]
        threshold = self.threshold(voxels)
        if threshold is None:
            inside = np.zeros(voxels.shape, bool)
            notes: tuple[str, ...] = ("the image has fewer than two values: no threshold, empty mask",)
        else:
            with np.errstate(invalid="ignore"):
                inside = (voxels > threshold) if self.bright else (voxels <= threshold)
            inside &= np.isfinite(voxels)
            notes = (f"Otsu threshold {threshold:.6g}",)
        with opened_shares((1, *voxels.shape), probabilities) as shares:
            if shares is not None:
                shares[0] = inside
        return Segmentation(
            mask=self.labels.from_indices(inside.astype(np.uint8)),
            geometry=image.geometry,
            labels=self.labels,
            probabilities=kept_shares(shares, probabilities),
            image=image,
            notes=notes,
        )

    @staticmethod
    def threshold(voxels: np.ndarray) -> float | None:
        """The threshold in the voxels' own unit, or None where fewer than two finite values exist."""
        finite = voxels[np.isfinite(voxels)]
        if finite.size == 0 or finite.min() == finite.max():
            return None
        counts, edges = np.histogram(finite, bins=_BINS, range=(float(finite.min()), float(finite.max())))
        centres = (edges[:-1] + edges[1:]) / 2
        below = np.cumsum(counts)[:-1].astype(np.float64)
        above = finite.size - below
        sums = np.cumsum(counts * centres)
        difference = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
        return float(edges[1:-1][np.argmax(below * above * difference**2)])
