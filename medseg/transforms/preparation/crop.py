"""The box round the breast."""

from typing import Annotated, Any

from monai.transforms import Crop
from pydantic import Field, validate_call

from medseg.transforms.preparation.body import bounding_box, find_body
from medseg.transforms.preparation.channels import finite, note

__all__ = ["CropToBreast"]


class CropToBreast(Crop):
    """Crop to the largest piece of tissue in the first channel; MONAI's `Crop` records it, and inverts it.

    Without a breast (a constant image, say) the image is left as it is.

    Args:
        margin: Background kept on every side, share of the image's longest side.
    """

    @validate_call
    def __init__(self, margin: Annotated[float, Field(ge=0, le=0.5)] = 0.02) -> None:
        super().__init__()
        self.margin = margin

    def __call__(self, img: Any, lazy: bool | None = None) -> Any:  # type: ignore[override]
        """An image of shape (C, x, y[, z]), cropped."""
        pixels = finite(img)[0]
        body = find_body(pixels)
        box = tuple(slice(0, n) for n in pixels.shape) if body is None else bounding_box(body)
        margin = round(self.margin * max(pixels.shape))
        start = [max(0, side.start - margin) for side in box]
        end = [min(n, side.stop + margin) for n, side in zip(pixels.shape, box, strict=True)]
        cropped = super().__call__(img, self.compute_slices(roi_start=start, roi_end=end), lazy=lazy)
        if body is None:
            note(cropped, "crop_to_breast: no breast was found, the image is not cropped")
        return cropped
