"""Noise away by averaging what looks alike: non-local means."""

from typing import Annotated

import numpy as np
from monai.transforms import Transform
from monai.utils import TransformBackends
from pydantic import Field, validate_call
from skimage.restoration import denoise_nl_means

from medseg.transforms.preparation.channels import Pixels, each_channel

__all__ = ["NonLocalMeans"]

_NORMAL_MAD = 0.6745  # median absolute deviation of a standard normal variable


class NonLocalMeans(Transform):
    """Each voxel becomes a mean of those near it whose surroundings are alike (Buades 2005; scikit-image).

    The noise is estimated from the finest diagonal Haar coefficients (Donoho and Johnstone 1994).

    Args:
        strength: How unlike surroundings may be, in standard deviations of the noise.
        patch: Width of the surroundings in voxels.
        distance: How far away it looks, in voxels.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - as MONAI declares it

    @validate_call
    def __init__(
        self,
        strength: Annotated[float, Field(gt=0, le=5)] = 0.8,
        patch: Annotated[int, Field(ge=3, le=15)] = 5,
        distance: Annotated[int, Field(ge=1, le=30)] = 6,
    ) -> None:
        self.strength, self.patch, self.distance = strength, patch, distance

    def __call__(self, img: Pixels) -> Pixels:
        """An image of shape (C, x, y[, z]), denoised; float32."""
        return each_channel(img, self._denoised)

    def _denoised(self, pixels: np.ndarray) -> np.ndarray:
        sigma = _noise(pixels)
        if sigma == 0 or min(pixels.shape) < self.patch:
            return pixels
        return np.asarray(
            denoise_nl_means(
                pixels, self.patch, self.distance, h=self.strength * sigma, sigma=sigma, preserve_range=True
            )
        )


def _noise(pixels: np.ndarray) -> float:
    """Standard deviation of the noise; exact zeros (a padded background) have no part in it."""
    detail = pixels
    for axis in range(pixels.ndim):
        detail = np.diff(detail, axis=axis) / np.sqrt(2)
    detail = np.abs(detail[detail != 0])
    return float(np.median(detail)) / _NORMAL_MAD if detail.size else 0.0
