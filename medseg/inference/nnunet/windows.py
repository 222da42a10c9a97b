"""nnU-Net's windows: where they lie and what their voxels count; of volumes that are seen slice by slice, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
import torch

from medseg.inference.streaming import Network, Tiling

__all__ = ["SliceBySlice", "nnunet_tiling", "windows_at_once"]

_STEP = 0.5  # of the patch, at most
_SIGMA = 1 / 8  # of the Gaussian, in patch sides
_AT_ONCE = 1 << 18  # voxels of a channel that the network sees at once, where a window is smaller
_MOST = 8
_PEAK = 10.0  # of the Gaussian, that float16 sums keep digits


def nnunet_tiling(shape: Sequence[int], patch: Sequence[int], batch: int) -> Tiling:
    """nnU-Net's windows over a volume: equal steps of at most half a patch, from edge to edge.

    Args:
        shape: Of the volume.
        patch: Of a window; one axis less than the volume where it is visited slice by slice.
        batch: Windows that the network sees at once.
    """
    slices = len(shape) - len(patch)
    sides = (*(1,) * slices, *patch)
    starts = [tuple(range(n)) for n in shape[:slices]]
    starts += [_starts(max(n, side), side) for n, side in zip(shape[slices:], patch, strict=True)]
    return Tiling(sides, tuple(starts), _gaussian(tuple(patch)).reshape(sides), batch)


def windows_at_once(patch: Sequence[int]) -> int:
    """How many windows of a patch go to the network together; the answer does not depend on it."""
    return min(_MOST, max(1, _AT_ONCE // int(np.prod(patch))))


def _starts(n: int, side: int) -> tuple[int, ...]:
    steps = ceil((n - side) / (side * _STEP))
    return tuple(int(np.round((n - side) / steps * i)) for i in range(steps + 1)) if steps else (0,)


@lru_cache(maxsize=4)
def _gaussian(patch: tuple[int, ...]) -> torch.Tensor:
    """The weights as nnU-Net has them: rounded to float16, and nowhere 0."""
    from scipy.ndimage import gaussian_filter

    peak = np.zeros(patch)
    peak[tuple(side // 2 for side in patch)] = 1
    weights = gaussian_filter(peak, [side * _SIGMA for side in patch], 0, mode="constant", cval=0)
    rounded = torch.from_numpy(weights / (weights.max() / _PEAK)).half().float()
    return torch.where(rounded == 0, rounded[rounded > 0].min(), rounded)


@dataclass(frozen=True, eq=False)
class SliceBySlice:
    """A network of slices for windows of a volume that are one slice thick, (B, C, 1, *patch)."""

    network: Network

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits of windows."""
        return self.network(windows[:, :, 0])[:, :, None]
