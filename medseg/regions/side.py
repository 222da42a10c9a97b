"""The patient's side on which a region lies."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from medseg.image import Image
from medseg.regions.measured import Measured
from medseg.regions.schema import Column

__all__ = ["body_middle_mm", "columns", "measure"]

_SAMPLES = 48  # along each axis: enough for the middle of a body
_TISSUE_HU = -500.0
_TISSUE_SHARE = 0.1  # of the range of values, where they are not HU
_CUT = 0.1  # of a lateral face of the image that tissue may cover before the body counts as cut off there
_SHARED = 0.1  # of a region's voxels on each side, from which on it is on both
_MIDDLES: WeakKeyDictionary[Image, float | None] = WeakKeyDictionary()  # looked for once, not for every region
_STATED = {"L": "left", "R": "right"}


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """The column of the side."""
    how = (
        f"the side that the header states (DICOM Laterality), else the side of the body's middle with more than "
        f"{1 - _SHARED:.0%} of the voxels, and both where neither has; empty in 2D without a stated side, without "
        "spacing, and where the body reaches the left or right edge of the image"
    )
    return (Column("side", "", "str", f"left, right or both sides of the patient: {how}."),)


def measure(found: Measured) -> dict[str, Any]:
    """Its value."""
    stated = _STATED.get(found.image.facts.get("laterality", ""))
    if stated:
        return {"side": stated}
    if found.image not in _MIDDLES:
        _MIDDLES[found.image] = body_middle_mm(found.image)
    middle = _MIDDLES[found.image]
    if middle is None:
        return {"side": ""}
    right = _share_right(found, middle)
    return {"side": "both" if _SHARED <= right <= 1 - _SHARED else "right" if right > 0.5 else "left"}


def _share_right(found: Measured, middle: float) -> float:
    """Share of a region's voxels whose centres lie to the right of world x, some slices at a time."""
    axes, origin = found.geometry.affine[0, :3], found.geometry.affine[0, 3]
    across = [step * np.arange(n) for step, n in zip(axes, found.mask.shape, strict=True)]
    plane = across[1][:, None] + across[2]
    counted = 0
    for x, inside in zip(across[0], found.mask, strict=True):
        counted += int(np.count_nonzero(inside & (plane > middle - origin - x)))
    return counted / found.region.voxels


def body_middle_mm(image: Image) -> float | None:
    """World x (mm, to the right) of the middle of the body: the mean of its tissue in the first channel.

    Looked at in 48 samples along each axis at most. Tissue is above -500 HU, or above a tenth of the range of other
    values. An image that shows one limb alone has a middle too, which is not the patient's.

    Returns:
        None in 2D, without spacing, and where tissue covers a tenth of the image's left or right face: the body goes on
        there, and its middle is not known.
    """
    geometry = image.geometry
    if geometry.ndim == 2 or not geometry.spacing_known:
        return None
    steps = [-(-n // _SAMPLES) for n in geometry.shape]
    samples = np.asarray(image.voxels[0][tuple(slice(step // 2, None, step) for step in steps)], np.float32)
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return None
    low, high = np.percentile(finite, [1, 99])
    tissue = samples > (_TISSUE_HU if image.unit == "HU" else low + _TISSUE_SHARE * (high - low))
    across = np.moveaxis(tissue, geometry.to_canonical.permutation[0], 0)
    if not tissue.any() or max(across[0].mean(), across[-1].mean()) > _CUT:
        return None
    index = np.argwhere(tissue).mean(axis=0) * steps + [step // 2 for step in steps]
    return float(geometry.to_world(index)[0])
