"""Intensities to numbers around 0, each method one MONAI transform, so that a bundle can name it too."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from medseg.plan import Normalisation

__all__ = ["monai_transform", "normalise"]


def monai_transform(normalisation: Normalisation) -> dict[str, Any]:
    """The MONAI transform of one channel as a bundle writes it: `_target_` and its arguments."""
    n = normalisation
    if n.method == "ct":
        scaled = {"b_min": (n.lower - n.mean) / n.sd, "b_max": (n.upper - n.mean) / n.sd}
        return {"_target_": "ScaleIntensityRange", "a_min": n.lower, "a_max": n.upper, **scaled, "clip": True}
    if n.method == "percentile":
        window = {"lower": n.lower, "upper": n.upper, "b_min": -1.0, "b_max": 1.0}
        return {"_target_": "ScaleIntensityRangePercentiles", **window, "clip": True}
    return {"_target_": "NormalizeIntensity", "nonzero": True}


def normalise(voxels: torch.Tensor, plan: Sequence[Normalisation]) -> torch.Tensor:
    """Each channel of float voxels, shape (C, x, y[, z]), by its own method."""
    import monai.transforms
    from monai.utils import convert_to_tensor

    channels = []
    for channel, normalisation in zip(voxels.split(1), plan, strict=True):
        spec = monai_transform(normalisation)
        transform = getattr(monai.transforms, spec.pop("_target_"))(**spec)
        with warnings.catch_warnings():
            # A constant image has no range to divide by: MONAI warns and leaves it constant, as it should be.
            warnings.simplefilter("ignore")
            channels.append(convert_to_tensor(transform(channel), track_meta=False))
    return torch.cat(channels)
