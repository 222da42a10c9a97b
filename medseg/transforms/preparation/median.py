"""Speckle and dead pixels away, edges kept: a median filter."""

from typing import Annotated

from monai.transforms import Transform
from monai.utils import TransformBackends
from pydantic import Field, validate_call
from scipy import ndimage

from medseg.transforms.preparation.channels import Pixels, each_channel

__all__ = ["MedianDenoise"]


class MedianDenoise(Transform):
    """Each voxel becomes the median of the box round it (scipy; MONAI's `MedianSmooth` unfolds every box in memory).

    Args:
        radius: Voxels on each side: 1 is a box of 3 x 3.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - as MONAI declares it

    @validate_call
    def __init__(self, radius: Annotated[int, Field(ge=1, le=10)] = 1) -> None:
        self.radius = radius

    def __call__(self, img: Pixels) -> Pixels:
        """An image of shape (C, x, y[, z]), filtered; float32."""
        return each_channel(img, lambda pixels: ndimage.median_filter(pixels, 2 * self.radius + 1))
