"""The slow change of brightness across an MR image, taken out."""

from typing import Annotated

import numpy as np
import SimpleITK
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import TransformBackends
from pydantic import Field, validate_call

from medseg.transforms.preparation.body import otsu_threshold
from medseg.transforms.preparation.channels import Pixels, each_channel, note

__all__ = ["N4BiasCorrection"]

_LEVELS = 4  # resolutions of the spline, each twice as fine
_SMALLEST = 8  # voxels that shrinking leaves on every axis


class N4BiasCorrection(Transform):
    """N4 (Tustison 2010) by SimpleITK: the field is fitted to the shrunken image, and divides the full one.

    The fit looks at what is above Otsu's threshold; the mean of that is kept. The spacing is that of a MetaTensor's
    affine, otherwise 1. An image without a body, or of less than 2 voxels along an axis, is left as it is.

    Args:
        shrink: How many times coarser the image is for the fit, along each axis.
        iterations: At most, at each of four resolutions.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - as MONAI declares it

    @validate_call
    def __init__(
        self,
        shrink: Annotated[int, Field(ge=1, le=16)] = 4,
        iterations: Annotated[int, Field(ge=1, le=500)] = 50,
    ) -> None:
        self.shrink, self.iterations = shrink, iterations

    def __call__(self, img: Pixels) -> Pixels:
        """An image of shape (C, x, y[, z]) of even brightness; float32."""
        dims = img.ndim - 1
        steps = img.pixdim.tolist()[:dims] if isinstance(img, MetaTensor) else [1.0] * dims
        missed: list[str] = []
        corrected = each_channel(img, lambda pixels: self._corrected(pixels, steps, missed))
        if missed:
            note(corrected, missed[0])
        return corrected

    def _corrected(self, pixels: np.ndarray, steps: list[float], missed: list[str]) -> np.ndarray:
        threshold = otsu_threshold(pixels)
        if threshold is None or min(pixels.shape) < 2:
            missed.append("n4_bias_correction: no body was found, the image is left as it is")
            return pixels
        # A field multiplies: what is not above 0 has no logarithm, and no part in the fit.
        inside = (pixels > threshold) & (pixels > 0)
        if not inside.any():
            missed.append("n4_bias_correction: no voxel of the body is above 0, the image is left as it is")
            return pixels
        image, mask = _itk(pixels, steps), _itk(inside.astype(np.uint8), steps)
        factors = [max(1, min(self.shrink, n // _SMALLEST)) for n in image.GetSize()]
        corrector = SimpleITK.N4BiasFieldCorrectionImageFilter()
        corrector.SetMaximumNumberOfIterations([self.iterations] * _LEVELS)
        corrector.Execute(SimpleITK.Shrink(image, factors), SimpleITK.Shrink(mask, factors))
        field = np.exp(SimpleITK.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)))
        corrected = pixels / np.maximum(field, 1e-6)
        return np.asarray(corrected * (pixels[inside].mean() / max(float(corrected[inside].mean()), 1e-30)))


def _itk(array: np.ndarray, steps: list[float]) -> SimpleITK.Image:
    """Of an array (x, y[, z]) as it lies: ITK's axes are turned round, and so are the steps."""
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(steps[::-1])
    return image
