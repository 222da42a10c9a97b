"""Logits of a volume by a sliding window that holds a band of one patch's depth: finished slabs leave at once.

The same windows, weights and batches as MONAI's `sliding_window_inference`, which holds the logits of the whole volume,
a second array of the weights' sums, and each batch's weighted logits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medseg.errors import InputError
from medseg.inference.windows import Tiling, monai_tiling, streaming_axis

if TYPE_CHECKING:
    from medseg.transforms.planes import Planes

__all__ = ["Network", "Slab", "Tiling", "monai_tiling", "stream_logits", "streaming_axis"]

Network = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Slab:
    """Finished logits, float32, of the planes from `start` to before `stop` along an axis.

    Args:
        axis: Of the volume.
        start: First plane.
        stop: The plane after the last.
        logits: Shape (outputs, *shape with that axis cut).
    """

    axis: int
    start: int
    stop: int
    logits: torch.Tensor


def stream_logits(
    network: Network,
    planes: "Planes",
    tiling: Tiling,
    axis: int,
    *,
    skip: Callable[[tuple[int, ...]], bool] | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[Slab]:
    """Visit all windows along one axis, and hand out each slab when no later window can change it.

    Args:
        network: Windows (B, C, *patch), float32, to logits (B, outputs, *patch).
        planes: The prepared volume.
        tiling: Where the windows lie.
        axis: Along which they move; see `streaming_axis`.
        skip: Whether the window at a corner (in the padded volume) holds nothing but air. The network sees the first
            of these alone; its answer stands for the others.
        device: Where windows are cut; logits are added up where the network gives them.

    Yields:
        Slabs in ascending order that cover the volume once.

    Raises:
        InputError: The network answers with numbers that are not finite.
    """
    source = _Source(planes, tiling, axis, torch.device(device))
    sums = _Sums(planes.shape, tiling, axis)
    for place, logits in _answers(network, source, tiling, axis, skip):
        yield from sums.finish(place[axis])
        sums.add(place, logits)
    yield from sums.finish(tiling.padded[axis])


def _answers(
    network: Network,
    source: "_Source",
    tiling: Tiling,
    axis: int,
    skip: Callable[[tuple[int, ...]], bool] | None,
) -> Iterator[tuple[tuple[int, ...], torch.Tensor]]:
    """Every window's corner and logits, in order; batches are filled across rows."""
    batch = source.new_batch(tiling.batch)
    air: torch.Tensor | None = None
    waiting: list[tuple[tuple[int, ...], torch.Tensor | None]] = []
    filled = 0
    for place in tiling.places(axis):
        if skip is not None and skip(place):
            if air is None:
                air = _run(network, source.window(place)[None])[0]
            waiting.append((place, air))
        else:
            batch[filled] = source.window(place)
            waiting.append((place, None))
            filled += 1
        if filled in (0, tiling.batch):
            yield from _answered(network, batch[:filled], waiting)
            waiting, filled = [], 0
    yield from _answered(network, batch[:filled], waiting)


def _answered(
    network: Network, windows: torch.Tensor, waiting: Sequence[tuple[tuple[int, ...], torch.Tensor | None]]
) -> Iterator[tuple[tuple[int, ...], torch.Tensor]]:
    answers = iter(_run(network, windows) if len(windows) else ())
    for place, known in waiting:
        yield place, next(answers) if known is None else known


def _run(network: Network, windows: torch.Tensor) -> torch.Tensor:
    # Only here, and not round the generator: the consumer of a slab may want gradients, and changes it in place.
    with torch.inference_mode():
        return network(windows)


class _Source:
    """The planes under one row of windows, padded; they are read as the row moves on."""

    def __init__(self, planes: "Planes", tiling: Tiling, axis: int, device: torch.device) -> None:
        self.planes, self.axis, self.patch, self.depth = planes, axis, tiling.patch, tiling.patch[axis]
        self.before = tiling.before(planes.shape)
        row = list(tiling.padded)
        row[axis] = self.depth
        self.band = torch.zeros((planes.channels, *row), device=device)
        self.inner = _within(self.band, self.before, planes.shape, axis)
        self.start: int | None = None

    def new_batch(self, size: int) -> torch.Tensor:
        """Room for the windows that the network sees at once."""
        return self.band.new_empty((size, len(self.band), *self.patch))

    def window(self, place: Sequence[int]) -> torch.Tensor:
        """The window at a corner of the padded volume, a view, shape (C, *patch)."""
        self._move(place[self.axis])
        return self.band[_box([0 if axis == self.axis else n for axis, n in enumerate(place)], self.patch)]

    def _move(self, start: int) -> None:
        if start == self.start:
            return
        kept = 0 if self.start is None else max(0, self.start + self.depth - start)
        if kept:
            _shift(self.band, self.axis + 1, self.depth - kept)
        offset = self.before[self.axis]
        first, last = max(start + kept - offset, 0), min(start + self.depth - offset, self.planes.shape[self.axis])
        target = self.inner.narrow(self.axis + 1, first + offset - start, last - first)
        target.copy_(self.planes.read(self.axis, first, last))
        self.start = start


class _Sums:
    """Weighted logits of the windows so far, over the planes that are not finished."""

    def __init__(self, shape: Sequence[int], tiling: Tiling, axis: int) -> None:
        self.shape, self.tiling, self.axis, self.depth = tuple(shape), tiling, axis, tiling.patch[axis]
        self.before = tiling.before(shape)
        self.start = 0
        self.band: torch.Tensor | None = None
        self.weights = tiling.weights

    def add(self, place: Sequence[int], logits: torch.Tensor) -> None:
        """Add the weighted logits, shape (outputs, *patch), of a window of the row that `finish` moved to."""
        if self.band is None:
            self.weights = self.tiling.weights.to(logits.device)
            self.row_weights = _row_weights(self.tiling, self.axis, self.weights)
            self.band = logits.new_zeros((len(logits), *self.row_weights.shape), dtype=torch.float32)
        corner = [0 if axis == self.axis else n for axis, n in enumerate(place)]
        self.band[_box(corner, self.tiling.patch)].addcmul_(logits, self.weights)

    def finish(self, start: int) -> Iterator[Slab]:
        """What lies before the row of windows that begins at `start`; the band moves on to that row."""
        if self.band is None or start == self.start:
            return
        steps, last_row = start - self.start, start == self.tiling.padded[self.axis]
        offset = self.before[self.axis]
        first, last = max(self.start, offset), min(start, offset + self.shape[self.axis])
        if first < last:
            inner = _within(self.band, self.before, self.shape, self.axis)
            sums = inner.narrow(self.axis + 1, first - self.start, last - first)
            counted = self._counted(first, last)
            # The last slab is the band itself, which nobody needs any more.
            logits = sums.div_(counted) if last_row else sums / counted
            _require_finite(logits)
            yield Slab(self.axis, first - offset, last - offset, logits)
        if last_row:
            return
        _shift(self.band, self.axis + 1, steps)
        self.band.narrow(self.axis + 1, self.depth - steps, steps).zero_()
        self.start = start

    def _counted(self, first: int, last: int) -> torch.Tensor:
        """Sum of the weights over planes of the padded volume: rows are alike, so that they are counted once."""
        whole = _within(self.row_weights[None], self.before, self.shape, self.axis)[0]
        under = [start for start in self.tiling.starts[self.axis] if first - self.depth < start < last]
        if len(under) == 1:
            return whole.narrow(self.axis, first - under[0], last - first)
        counted = torch.zeros_like(whole.narrow(self.axis, 0, last - first))
        for start in under:
            low, high = max(start, first), min(start + self.depth, last)
            counted.narrow(self.axis, low - first, high - low).add_(whole.narrow(self.axis, low - start, high - low))
        return counted


def _require_finite(logits: torch.Tensor) -> None:
    """Refuse what would become background without a word: no comparison with NaN is true."""
    if not bool(logits.sum().isfinite()):  # of all at once, so that no second array of their size is made
        mend = "Take precision fp32. Where that does not help, the weights or the values of the image are damaged."
        raise InputError("network", "answers with numbers that are not finite", mend)


def _row_weights(tiling: Tiling, axis: int, weights: torch.Tensor) -> torch.Tensor:
    """Sum of the weights of one row of windows, shape of the padded volume with the axis cut to the patch."""
    row = [side if i == axis else n for i, (n, side) in enumerate(zip(tiling.padded, tiling.patch, strict=True))]
    counted = weights.new_zeros(row)
    first = tiling.starts[axis][0]
    for place in tiling.places(axis):
        if place[axis] != first:
            break
        counted[_box(place, tiling.patch)[1:]] += weights
    return counted


def _box(corner: Sequence[int], sides: Sequence[int]) -> tuple[slice, ...]:
    """All channels of a box."""
    return (slice(None), *(slice(n, n + side) for n, side in zip(corner, sides, strict=True)))


def _within(band: torch.Tensor, before: Sequence[int], shape: Sequence[int], axis: int) -> torch.Tensor:
    """A band (C, *padded) without the padding of the axes other than its own, a view."""
    for other, n in enumerate(shape):
        if other != axis:
            band = band.narrow(other + 1, before[other], n)
    return band


def _shift(band: torch.Tensor, dim: int, by: int) -> None:
    """Move all planes towards the first, in place; the last `by` planes keep what they held.

    Piece by piece, since where planes overlap those that they move to a copy in one go would read what it has written.
    """
    depth = band.shape[dim]
    for start in range(0, depth - by, by):
        size = min(by, depth - by - start)
        band.narrow(dim, start, size).copy_(band.narrow(dim, start + by, size))
