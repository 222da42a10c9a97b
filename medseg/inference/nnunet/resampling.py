"""nnU-Net's rules of resampling: which spline along which axis, and slices repeated where they are thick."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from medseg.errors import ModelFolderError

__all__ = ["Resampling", "nearest_planes", "resampling_of"]

_THICK = 3.0  # a spacing more than so many times the finest counts as thick
_ROUNDING = 1e-6  # of spacings that headers keep as float32
_KNOWN = {
    "resample_data_or_seg_to_shape": {"is_seg", "order", "order_z", "force_separate_z"},
    "resample_torch_fornnunet": {"is_seg", "force_separate_z", "memefficient_seg_resampling", "device", "num_threads"},
}


@dataclass(frozen=True)
class Resampling:
    """How one of nnU-Net's functions resamples.

    Args:
        order: Of the spline along all axes but a thick one, along which the nearest slice is repeated: 3 or 1.
        separate: Whether a thick axis is treated apart; `None` by the spacings.
        torch: By PyTorch's rule of what is nearest, else SciPy's.
    """

    order: int
    separate: bool | None
    torch: bool

    def orders(self, current: Sequence[float], new: Sequence[float]) -> tuple[int, ...]:
        """The order along each axis, from one spacing to another; 0 repeats the nearest slice."""
        # nnU-Net puts a slice that is very thick before a picture's axes, which are resampled by themselves.
        thick = None if len(current) == 2 else self._thick_axis(current, new)
        return tuple(0 if axis == thick else self.order for axis in range(len(current)))

    def _thick_axis(self, current: Sequence[float], new: Sequence[float]) -> int | None:
        if self.separate is False:
            return None
        grids = [grid for grid in (current, new) if max(grid) / min(grid) > _THICK * (1 + _ROUNDING)]
        grid = current if self.separate else next(iter(grids), None)
        if grid is None:
            return None
        largest = [axis for axis, step in enumerate(grid) if step >= max(grid) * (1 - _ROUNDING)]
        return largest[0] if len(largest) == 1 else None


def resampling_of(name: str, options: Mapping[str, Any], where: Path) -> Resampling:
    """One of nnU-Net's functions by its name and options in the plans.

    Raises:
        ModelFolderError: It is another function, or has options that we do not have.
    """
    if name not in _KNOWN:
        _refuse(where, name, " or ".join(_KNOWN))
    if unknown := set(options) - _KNOWN[name]:
        _refuse(where, f"{name} with {', '.join(sorted(unknown))}", ", ".join(sorted(_KNOWN[name])))
    separate = options.get("force_separate_z")
    if name == "resample_torch_fornnunet":
        return Resampling(1, separate, torch=True)
    order = options.get("order", 3)
    if options.get("is_seg") or order not in (1, 3) or options.get("order_z", 0) != 0:
        _refuse(where, f"{name} with {dict(options)}", "order 3 or 1, order_z 0, is_seg false")
    return Resampling(order, separate, torch=False)


@lru_cache(maxsize=64)
def nearest_planes(native: int, wanted: int, by_torch: bool) -> np.ndarray:
    """Which of the native planes each wanted one repeats, int64, shape (wanted,)."""
    if by_torch:
        planes = torch.arange(native, dtype=torch.float32)[None, None]
        return F.interpolate(planes, wanted, mode="nearest-exact")[0, 0].long().numpy()
    # SciPy rounds the position to the next whole one, halves upwards (ndimage's ni_interpolation.c, order 0).
    position = native / wanted * (np.arange(wanted) + 0.5) - 0.5
    return np.floor(np.clip(position, 0, native - 1) + 0.5).astype(np.int64)


def _refuse(where: Path, found: str, expected: str) -> None:
    mend = "medseg does not resample in that way: predict with nnUNetv2_predict."
    raise ModelFolderError(where, f"resamples by {found}", mend, expected)
