"""What is found of an image as it is stored, a block at a time: the numbers of its normalisation, its body, its range.

The same as `normalise` and `body_box` find of a float copy of the whole, without making one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isinf, prod

import numpy as np
import torch

from medseg.plan import Normalisation
from medseg.transforms.prepare import box_of_hits

__all__ = ["Pointwise", "channel_range", "finite_block", "pointwise", "stored_body_box"]

_BLOCK = 1 << 22  # voxels that are looked at at once
_BINS = 1 << 16


@dataclass(frozen=True)
class Pointwise:
    """A channel's normalisation with all its numbers: clip to [low, high], subtract `mean`, divide by `sd`.

    With `keep_zero` zeros stay as they are.
    """

    low: float = -inf
    high: float = inf
    mean: float = 0.0
    sd: float = 1.0
    keep_zero: bool = False

    def apply_(self, voxels: torch.Tensor) -> torch.Tensor:
        """Normalise float voxels in place."""
        zero = voxels == 0 if self.keep_zero else None
        if not (isinf(self.low) and isinf(self.high)):
            voxels.clamp_(self.low, self.high)
        voxels.sub_(self.mean).div_(self.sd)
        return voxels if zero is None else voxels.masked_fill_(zero, 0)


def finite_block(block: np.ndarray) -> torch.Tensor:
    """A block of stored voxels as a float32 copy, what is not finite as 0."""
    voxels = torch.from_numpy(np.array(block, dtype=np.float32, order="C"))
    return torch.nan_to_num_(voxels, nan=0.0, posinf=0.0, neginf=0.0) if block.dtype.kind == "f" else voxels


def pointwise(channel: np.ndarray, normalisation: Normalisation) -> Pointwise:
    """The normalisation of one stored channel, as `normalise` does it.

    Args:
        channel: Any dtype and strides, perhaps memory-mapped.
        normalisation: What the plan says of it.
    """
    n = normalisation
    if n.method == "ct":
        return Pointwise(n.lower, n.upper, n.mean, n.sd)
    if n.method == "percentile":
        low, high = _percentiles(channel, (n.lower, n.upper))
        if low == high:  # no range to divide by: as in MONAI only shifted, so that it lies at -1
            return Pointwise(mean=low + 1)
        return Pointwise(low, high, (low + high) / 2, (high - low) / 2)
    mean, sd = _moments(channel)
    return Pointwise(mean=mean, sd=sd or 1.0, keep_zero=True)


def channel_range(channel: np.ndarray, rule: Pointwise, axis: int | None = None) -> torch.Tensor:
    """Least and largest value of a normalised channel.

    Returns:
        float32, shape (2,); with `axis` of each plane along it, shape (2, planes).
    """
    axes = tuple(i for i in range(channel.ndim) if i != axis)
    shape = () if axis is None else (channel.shape[axis],)
    least, largest = torch.full(shape, inf), torch.full(shape, -inf)
    for where, block in _blocks(channel):
        voxels = rule.apply_(finite_block(block)) if rule.keep_zero or block.dtype.kind == "f" else None
        low = block.min(axes) if voxels is None else voxels.amin(axes).numpy()
        high = block.max(axes) if voxels is None else voxels.amax(axes).numpy()
        both = torch.from_numpy(np.stack([low, high]).astype(np.float32))
        if voxels is None:
            rule.apply_(both)
        part = where[axis] if axis is not None else ...
        least[part] = torch.minimum(least[part], both[0])
        largest[part] = torch.maximum(largest[part], both[1])
    return torch.stack([least, largest])


def stored_body_box(voxels: np.ndarray, above: float | None) -> tuple[slice, ...]:
    """`body_box` of stored voxels, shape (C, *spatial): the box round all above the threshold in any channel."""
    shape = voxels.shape[1:]
    hits = [np.zeros(n, bool) for n in shape]
    limit = np.float32(inf if above is None else above)
    for channel in voxels if above is not None else ():
        for where, block in _blocks(channel):
            found = finite_block(block).numpy() if block.dtype.kind == "f" else block
            for axis, part in enumerate(where):
                others = tuple(i for i in range(block.ndim) if i != axis)
                hits[axis][part] |= found.max(others).astype(np.float32) > limit
    return box_of_hits(hits)


def _blocks(channel: np.ndarray) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    """The channel a run of planes at a time, along the axis that is slowest in its memory, and where each lies."""
    slowest = int(np.argmax([abs(step) for step in channel.strides]))
    count = channel.shape[slowest]
    step = max(1, _BLOCK * count // prod(channel.shape))
    for begin in range(0, count, step):
        where = tuple(
            slice(begin, min(count, begin + step)) if axis == slowest else slice(0, n)
            for axis, n in enumerate(channel.shape)
        )
        yield where, channel[where]


def _moments(channel: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of what is not 0, summed in float64 (Chan et al. 1983 joins the blocks)."""
    count, mean, squares = 0, 0.0, 0.0
    for _, block in _blocks(channel):
        voxels = finite_block(block)
        voxels = voxels[voxels != 0].double()
        if len(voxels) == 0:
            continue
        own = float(voxels.mean())
        between = own - mean
        total = count + len(voxels)
        squares += float((voxels - own).square().sum()) + between**2 * count * len(voxels) / total
        mean += between * len(voxels) / total
        count = total
    return mean, (squares / max(1, count)) ** 0.5


def _percentiles(channel: np.ndarray, percents: Sequence[float]) -> list[float]:
    """Exact percentiles, linear between ranks as numpy's, by two counts.

    First of the upper, then of the lower half of the bits: those of a float32, turned so that their order is that of
    the numbers, are two digits of its place among all.
    """
    ranks = [(channel.size - 1) * percent / 100 for percent in percents]
    wanted = sorted({side(rank) for rank in ranks for side in (floor, ceil)})
    upper = np.zeros(_BINS, np.int64)
    for _, block in _blocks(channel):
        upper += np.bincount(_ordered(block) >> 16, minlength=_BINS)
    past = np.cumsum(upper)
    digits = np.searchsorted(past, wanted, side="right")
    lower = {int(digit): np.zeros(_BINS, np.int64) for digit in digits}
    for _, block in _blocks(channel):
        bits = _ordered(block)
        for digit, count in lower.items():
            count += np.bincount(bits[bits >> 16 == digit] & 0xFFFF, minlength=_BINS)
    values: dict[int, float] = {}
    for rank, digit in zip(wanted, digits, strict=True):
        inside = rank - (past[digit] - upper[digit])
        least = int(np.searchsorted(np.cumsum(lower[int(digit)]), inside, side="right"))
        values[rank] = _number(int(digit) << 16 | least)
    found: list[float] = []
    for exact in ranks:
        below, above = values[int(exact)], values[ceil(exact)]
        found.append(below + (above - below) * (exact - int(exact)))
    return found


def _ordered(block: np.ndarray) -> np.ndarray:
    """The bits of float32 numbers as unsigned integers (in int64) of the same order."""
    bits = finite_block(block).numpy().ravel().view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.int64)


def _number(ordered: int) -> float:
    bits = ordered & 0x7FFFFFFF if ordered >> 31 else ~ordered & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))
