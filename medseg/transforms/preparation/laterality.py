"""Left and right breasts, all looking one way."""

from typing import Any, Literal

import numpy as np
from monai.data import MetaTensor, get_track_meta
from monai.transforms import Flip, InvertibleTransform
from monai.utils import TraceKeys, TransformBackends, convert_to_tensor
from pydantic import validate_call

from medseg.transforms.preparation.body import bounding_box, find_body
from medseg.transforms.preparation.channels import finite, note

__all__ = ["NormaliseLaterality"]

_OUTER = 0.2  # of the breast's width: the chest wall is full there, the tip is not
_DOUBT = 0.02  # of all tissue counted: a smaller difference between the sides decides nothing


class NormaliseLaterality(InvertibleTransform):
    """Flip axis x where the chest wall lies on the other side; invertible.

    The chest wall is where the breast is tallest: the outer fifths of its width are compared, and if they are
    alike, the halves of the image. A constant or symmetric image is left as it is.

    Args:
        side: Where the chest wall comes to lie: "left" is x = 0.
    """

    backend = [TransformBackends.TORCH]  # noqa: RUF012 - as MONAI declares it

    @validate_call
    def __init__(self, side: Literal["left", "right"] = "left") -> None:
        self.side = side
        self._flip = Flip(spatial_axis=0)

    def __call__(self, img: Any) -> Any:
        """An image of shape (C, x, y[, z]), flipped or not."""
        found = _chest_side(finite(img)[0])
        flipped = found is not None and found != self.side
        image = self._flipped(img) if flipped else convert_to_tensor(img, track_meta=get_track_meta())
        self.push_transform(image, extra_info={"flipped": flipped})
        if found is None:
            note(image, "normalise_laterality: the sides are alike, the image is not flipped")
        return image

    def inverse(self, data: Any) -> Any:
        """The image as it was."""
        applied = self.pop_transform(data)
        return self._flipped(data) if applied[TraceKeys.EXTRA_INFO]["flipped"] else data

    def _flipped(self, img: Any) -> Any:
        image = self._flip(img)
        if isinstance(image, MetaTensor) and image.applied_operations:
            image.applied_operations.pop()  # one record a step: this class's own
        return image


def _chest_side(pixels: np.ndarray) -> Literal["left", "right"] | None:
    body = find_body(pixels)
    if body is None:
        return None
    columns = body.sum(axis=tuple(range(1, body.ndim)))
    inner = columns[bounding_box(body)[0]]
    outer = max(1, round(_OUTER * len(inner)))
    half = len(columns) // 2
    for left, right in (
        (inner[:outer].sum(), inner[-outer:].sum()),
        (columns[:half].sum(), columns[len(columns) - half :].sum()),
    ):
        if abs(int(left) - int(right)) > _DOUBT * (left + right):
            return "left" if left > right else "right"
    return None
