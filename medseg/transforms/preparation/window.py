"""A window of intensities, by value or by the image's own percentiles: MONAI's transforms with checked limits."""

import warnings
from typing import Annotated, Any

from monai.transforms import ScaleIntensityRange, ScaleIntensityRangePercentiles
from pydantic import Field, validate_call

__all__ = ["PercentileWindow", "Window"]

_Percent = Annotated[float, Field(ge=0, le=100)]


class Window(ScaleIntensityRange):
    """Intensities from `lower` to `upper` go to 0 and 1; the rest is clipped.

    Args:
        lower: Becomes 0.
        upper: Becomes 1.

    Raises:
        ValueError: `lower` is not below `upper`.
    """

    @validate_call
    def __init__(self, lower: float, upper: float) -> None:
        _require_order(lower, upper)
        super().__init__(lower, upper, 0.0, 1.0, clip=True)
        self.lower, self.upper = lower, upper


class PercentileWindow(ScaleIntensityRangePercentiles):
    """Each channel's percentiles `lower` and `upper` go to 0 and 1; the rest is clipped.

    Args:
        lower: Percentile, 0 to 100.
        upper: Percentile, 0 to 100.

    Raises:
        ValueError: `lower` is not below `upper`.
    """

    @validate_call
    def __init__(self, lower: _Percent = 1.0, upper: _Percent = 99.0) -> None:
        _require_order(lower, upper)
        super().__init__(lower, upper, 0.0, 1.0, clip=True, channel_wise=True)
        self.lower, self.upper = lower, upper

    def __call__(self, img: Any) -> Any:
        """An image of shape (C, x, y[, z]) in its window; a constant channel becomes 0."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI warns of a constant image and leaves it constant, as it should be
            return super().__call__(img)


def _require_order(lower: float, upper: float) -> None:
    if not lower < upper:
        raise ValueError(f"lower ({lower}) must be below upper ({upper})")
