"""Where the windows of a volume lie and how much each of their voxels counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import torch

__all__ = ["Tiling", "monai_tiling", "streaming_axis"]

_SIGMA = 0.125  # of the Gaussian, in patch sides; MONAI's and nnU-Net's
_LEAST_WEIGHT = 1e-3  # MONAI's, so that corners seen by one window alone do not vanish in float16


@dataclass(frozen=True, eq=False)
class Tiling:
    """Windows over a volume; where that is smaller than the patch, over the volume with 0 on both sides.

    Args:
        patch: Shape of a window.
        starts: Along each axis the first voxels of the windows, ascending, in the padded volume.
        weights: What each voxel of a window counts when windows overlap; float32, shape of the patch.
        batch: Windows that the network sees at once.

    Raises:
        ValueError: The windows leave a gap.
    """

    patch: tuple[int, ...]
    starts: tuple[tuple[int, ...], ...]
    weights: torch.Tensor
    batch: int

    def __post_init__(self) -> None:
        for side, starts in zip(self.patch, self.starts, strict=True):
            steps = [after - before for before, after in pairwise(starts)]
            if starts[0] != 0 or any(not 0 < step <= side for step in steps):
                raise ValueError(f"windows of {side} voxels at {starts} leave a gap or do not ascend")

    @cached_property
    def padded(self) -> tuple[int, ...]:
        """Shape of the volume with its padding."""
        return tuple(starts[-1] + side for starts, side in zip(self.starts, self.patch, strict=True))

    def before(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Planes of padding before the first voxel of a volume of this shape, along each axis."""
        return tuple((whole - n) // 2 for whole, n in zip(self.padded, shape, strict=True))

    def places(self, axis: int) -> Iterator[tuple[int, ...]]:
        """First corners of all windows, ascending along one axis and in the order of the others within a row."""
        others = [starts for other, starts in enumerate(self.starts) if other != axis]
        for start in self.starts[axis]:
            for corner in product(*others):
                yield (*corner[:axis], start, *corner[axis:])


def monai_tiling(shape: Sequence[int], patch: Sequence[int], overlap: float, batch: int) -> Tiling:
    """The windows and the Gaussian of MONAI's `sliding_window_inference`.

    Args:
        shape: Of the volume.
        patch: Of a window.
        overlap: Share of a window that the next one sees again, from 0 to below 1.
        batch: Windows that the network sees at once.
    """
    sides = tuple(patch)
    starts = tuple(_starts(max(n, side), side, overlap) for n, side in zip(shape, sides, strict=True))
    return Tiling(sides, starts, _gaussian(sides), batch)


def streaming_axis(shape: Sequence[int], patch: Sequence[int]) -> int:
    """The axis along which the windows had best move: the band of one patch's depth is smallest there."""
    return max(range(len(patch)), key=lambda axis: shape[axis] / patch[axis])


def _starts(n: int, side: int, overlap: float) -> tuple[int, ...]:
    step = max(int(side * (1 - overlap)), 1)
    last = n - side
    return (*range(0, last, step), last)


def _gaussian(patch: Sequence[int]) -> torch.Tensor:
    """The product of one Gaussian an axis, cut off below."""
    weights = torch.ones(())
    for side in patch:
        offset = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        weights = weights[..., None] * torch.exp(-(offset**2) / (2 * (_SIGMA * side) ** 2))
    return weights.clamp_(min=max(float(weights.min()), _LEAST_WEIGHT))
