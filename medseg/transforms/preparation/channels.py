"""Between MONAI's tensors and the arrays that scipy, scikit-image and SimpleITK take; and what a step has to say."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import convert_data_type, convert_to_dst_type

__all__ = ["NOTES", "Pixels", "each_channel", "finite", "note"]

Pixels = TypeVar("Pixels", np.ndarray, torch.Tensor)
NOTES = "preparation_notes"  # the key of a MetaTensor's meta below which a step says what it did not find


def each_channel(image: Pixels, change: Callable[[np.ndarray], np.ndarray]) -> Pixels:
    """Every channel of an image, changed; float32, of the same type, shape, place and metadata.

    Args:
        image: Shape (C, x, y[, z]).
        change: From float32 of shape (x, y[, z]), all finite, to the same shape.
    """
    changed = np.stack([change(channel) for channel in finite(image)]).astype(np.float32, copy=False)
    result: Any = convert_to_dst_type(changed, image, dtype=np.float32)[0]
    return result


def finite(image: Any) -> np.ndarray:
    """Channels as float32, shape (C, x, y[, z]); what is not finite becomes 0, as in `prepare`."""
    array = convert_data_type(image, np.ndarray, dtype=np.float32)[0]
    return np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)


def note(image: object, words: str) -> None:
    """Keep a remark with a MetaTensor; other arrays have no place for one."""
    if isinstance(image, MetaTensor):
        image.meta[NOTES] = [*image.meta.get(NOTES, []), words]
