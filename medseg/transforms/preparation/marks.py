"""View markers, tags and text that lie beside the body."""

from typing import Annotated

import numpy as np
from monai.transforms import Transform
from monai.utils import TransformBackends
from pydantic import Field, validate_call
from scipy import ndimage

from medseg.transforms.preparation.body import find_body, grown, otsu_threshold, tissue_threshold
from medseg.transforms.preparation.channels import Pixels, each_channel, note

__all__ = ["RemoveLabels"]

_HALO = 0.008  # of the longest side: the blurred rim of a mark
_TOUCHING = 0.008  # of the longest side: nearer than this, a piece is part of the body (a nipple in profile)
_FAINT = 0.1  # of the longest side: nearer than this, a piece that is not bright may be tissue (a dark axilla)


class RemoveLabels(Transform):
    """Bright objects apart from the body become background (the median of what is no tissue); no pixel moves.

    The body is the largest piece of tissue. What is burnt in over the body, or touches it, is not found; nor is what
    is faint and near it, which may be tissue.

    Args:
        largest: An object of more than this share of the body's area is tissue, and kept.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - as MONAI declares it

    @validate_call
    def __init__(self, largest: Annotated[float, Field(gt=0, le=1)] = 0.25) -> None:
        self.largest = largest

    def __call__(self, img: Pixels) -> Pixels:
        """An image of shape (C, x, y[, z]) without marks; float32. Without a body it is left as it is."""
        missed: list[str] = []
        cleaned = each_channel(img, lambda pixels: self._cleaned(pixels, missed))
        if missed:
            note(cleaned, missed[0])
        return cleaned

    def _cleaned(self, pixels: np.ndarray, missed: list[str]) -> np.ndarray:
        body, threshold = find_body(pixels), tissue_threshold(pixels)
        if body is None or threshold is None:
            missed.append("remove_labels: no body was found, the image is left as it is")
            return pixels
        tissue = pixels > threshold
        distance = np.asarray(ndimage.distance_transform_edt(~body)) / max(pixels.shape)
        marks = self._marks(pixels, tissue, distance, float(body.sum()))
        rim = grown(marks, _HALO * max(pixels.shape)) & (distance > _TOUCHING)
        return np.where(rim, np.float32(np.median(pixels[~tissue])), pixels)

    def _marks(self, pixels: np.ndarray, tissue: np.ndarray, distance: np.ndarray, body: float) -> np.ndarray:
        """The pieces that are marks; distance from the body in shares of the longest side."""
        pieces, count = ndimage.label(tissue, np.ones((3,) * pixels.ndim))
        every = np.arange(count + 1)
        nearest = np.asarray(ndimage.minimum(distance, pieces, every))
        bright = np.asarray(ndimage.mean(pixels, pieces, every)) > (otsu_threshold(pixels) or 0.0)
        small = np.bincount(pieces.reshape(-1), minlength=count + 1) <= self.largest * body
        chosen = small & (nearest > np.where(bright, _TOUCHING, _FAINT))
        chosen[0] = False
        return chosen[pieces]
