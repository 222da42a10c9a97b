"""Local contrast: adaptive histogram equalisation."""

from typing import Annotated

import numpy as np
from monai.transforms import Transform
from monai.utils import TransformBackends
from pydantic import Field, validate_call
from skimage.exposure import equalize_adapthist

from medseg.transforms.preparation.channels import Pixels, each_channel

__all__ = ["Clahe"]

_SMALLEST = 8  # voxels along a tile: the histogram of fewer says nothing


class Clahe(Transform):
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994; scikit-image), in 2D and 3D.

    The scale is kept: the result has the minimum and the maximum of the channel that it came from.

    Args:
        clip_limit: How steep the equalisation may become, 0 to 1; more is more contrast, and more noise.
        tiles: Tiles along each axis; fewer where they would be under 8 voxels wide.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - as MONAI declares it

    @validate_call
    def __init__(
        self,
        clip_limit: Annotated[float, Field(gt=0, le=1)] = 0.01,
        tiles: Annotated[int, Field(ge=1, le=64)] = 8,
    ) -> None:
        self.clip_limit, self.tiles = clip_limit, tiles

    def __call__(self, img: Pixels) -> Pixels:
        """An image of shape (C, x, y[, z]), equalised; float32."""
        return each_channel(img, self._equalised)

    def _equalised(self, pixels: np.ndarray) -> np.ndarray:
        low, high = float(pixels.min()), float(pixels.max())
        if not low < high or not np.isfinite(high - low):
            return pixels
        tile = [max(n // self.tiles, min(n, _SMALLEST)) for n in pixels.shape]
        # The last axis keeps scikit-image from taking three or four slices for the colours of a picture.
        unit = ((pixels - low) / (high - low))[..., np.newaxis]
        equal = equalize_adapthist(unit, kernel_size=[*tile, 1], clip_limit=self.clip_limit)[..., 0]
        return np.asarray(low + equal * (high - low))
