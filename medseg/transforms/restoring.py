"""From logits that leave the network slab by slab to a mask on the native grid, a few planes at a time.

Linear, as `torch.nn.functional.interpolate` has it, and as `resize`: pictures are smoothed before they are made
smaller. Against restoring whole logits this holds a few planes of one class at a time, however many classes and planes
there are (`tests/benchmarks/resampling.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F

from medseg import room
from medseg.transforms.cells import axis_cells, labels_by_cells, winners
from medseg.transforms.prepare import Restoration

__all__ = ["SlabRestorer"]

_BLOCK = 1 << 21  # native voxels of one class that are interpolated at once
_RUN = 1 << 24  # native voxels that are done by cells at once


class SlabRestorer:
    """Turns slabs of logits, given in their order, to a mask and, where asked, probabilities.

    All is done on the device of the logits; only labels (and probabilities) leave it.

    Args:
        restoration: The way back.
        outputs: Channels of the logits.
        axis: Working axis along which the slabs follow one another.
        exclusive: Each voxel gets the class of the largest logit; else each label of which it has half at least.
        mask: Where to write, uint8, the native shape (class indices) or (outputs, *native) of labels that overlap (0
            and 1); all of it is written. Made where it is not given, with `axis` slowest in its memory, which is the
            quickest.
        shares: Where to write probabilities of the labels, float16, (labels, *native): the softmax without the
            background, or each one's sigmoid.
    """

    def __init__(
        self,
        restoration: Restoration,
        outputs: int,
        axis: int,
        *,
        exclusive: bool,
        mask: np.ndarray | None = None,
        shares: np.ndarray | None = None,
    ) -> None:
        native, turn = restoration.native.shape, restoration.turn
        if mask is None:
            mask = _made(native, turn.permutation[axis], None if exclusive else outputs)
        self._mask, self._exclusive = mask, exclusive
        kept = [side.stop - side.start for side in restoration.box]
        place = mask.ndim - len(native)
        steps = [abs(mask.strides[place + i]) for i in turn.permutation]
        order = (axis, *sorted((i for i in range(len(kept)) if i != axis), key=lambda i: -steps[i]))
        self._order, self._plane = order, tuple(kept[i] for i in order[1:])
        self._flips = [1 + i for i, which in enumerate(order) if i and turn.flipped[which]]
        self._to_mask = _target(mask, restoration, order)
        self._to_shares = None if shares is None else _target(shares, restoration, order)
        pairs = [(restoration.working_shape[i], kept[i]) for i in order]
        flipped = [i != axis and turn.flipped[i] for i in order]
        self._cells = [axis_cells(*pair, flipped=flip) for pair, flip in zip(pairs, flipped, strict=True)]
        self._smooth = len(native) == 2 and any(have > want for have, want in pairs)
        self._rows = _rows(*pairs[0], antialias=len(native) == 2)
        self._first, self._past = self._spans()
        self._done = 0
        self._held: torch.Tensor | None = None
        self._held_start = 0

    def add(self, start: int, logits: torch.Tensor) -> None:
        """The next slab: logits of the working planes from `start` on, shape (outputs, *working shape cut)."""
        slab = logits.float().permute(0, *(1 + i for i in self._order))
        stop = start + slab.shape[1]
        ready = int(np.searchsorted(self._past, stop, side="right"))
        inner = min(ready, max(self._done, int(np.searchsorted(self._first, start))))
        if self._done < inner:  # planes that lie between what was held and this slab
            assert self._held is not None
            joint = torch.cat([self._held, slab[:, : self._past[inner - 1] - start]], 1)
            self._restore(self._done, inner, self._held_start, joint)
        if inner < ready:
            self._restore(inner, ready, start, slab)
        self._done = ready
        if ready < len(self._first):
            self._hold(min(stop, int(self._first[ready])), start, slab)

    def finish(self) -> np.ndarray:
        """The mask, after the last slab."""
        return self._mask

    def _spans(self) -> tuple[np.ndarray, np.ndarray]:
        """The working planes [first, past) under each native one."""
        cells = self._cells[0]
        first, past = cells.before[cells.cell].numpy(), cells.after[cells.cell].numpy() + 1
        if self._smooth:
            used = self._rows != 0
            first = used.int().argmax(1).numpy()
            past = used.shape[1] - used.flip(1).int().argmax(1).numpy()
        return first, past

    def _hold(self, first: int, start: int, slab: torch.Tensor) -> None:
        """Keep the working planes from `first` on for the planes between this slab and the next."""
        if first >= start or self._held is None:
            self._held = slab[:, first - start :].clone()
        else:
            self._held = torch.cat([self._held[:, first - self._held_start :], slab], 1)
        self._held_start = first

    def _restore(self, begin: int, end: int, start: int, planes: torch.Tensor) -> None:
        """Native planes [begin, end) from working planes from `start` on, shape (outputs, s, *working plane)."""
        by_cells = self._to_shares is None and not self._smooth
        step = max(1, _BLOCK // int(np.prod(self._plane)))
        for low, high in self._runs(begin, end):
            if by_cells:
                with _one_thread():
                    done = self._by_cells(low, high, start, planes)
                if done:
                    continue
            for first in range(low, high, step):
                self._densely(first, min(high, first + step), start, planes)

    def _runs(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Runs of native planes that are done by cells at once: none ends within a cell."""
        cell = self._cells[0].cell.numpy()
        step = max(1, _RUN // int(np.prod(self._plane)))
        while begin < end:
            last = cell[min(end, begin + step) - 1]
            past = min(end, int(np.searchsorted(cell, last, side="right")))
            yield begin, past
            begin = past

    def _by_cells(self, begin: int, end: int, start: int, planes: torch.Tensor) -> bool:
        """Interpolate where neighbours disagree; whether that was done."""
        device = planes.device
        axes = [self._cells[0].part(begin, end).on(device), *(cells.on(device) for cells in self._cells[1:])]
        used = planes[:, self._first[begin] - start : self._past[end - 1] - start]
        if self._exclusive:
            found = labels_by_cells(used, axes, exclusive=True)
            if found is None:
                return False
            self._to_mask[begin:end] = found.cpu().numpy()
            return True
        for label, logits in enumerate(used.split(1)):
            found = labels_by_cells(logits, axes, exclusive=False)
            if found is None:
                return False
            self._to_mask[begin:end, label] = found.cpu().numpy()
        return True

    def _densely(self, begin: int, end: int, start: int, planes: torch.Tensor) -> None:
        low, high = int(self._first[begin]), int(self._past[end - 1])
        rows = self._rows[begin:end, low:high].to(planes)
        between = torch.einsum("ps,cs...->pc...", rows, planes[:, low - start : high - start])
        native = self._in_plane(between)
        found = winners(native.movedim(1, 0), exclusive=True) if self._exclusive else (native >= 0).byte()
        self._to_mask[begin:end] = found.cpu().numpy()
        if self._to_shares is not None:
            shares = native.softmax(1)[:, 1:] if self._exclusive else native.sigmoid()
            self._to_shares[begin:end] = shares.half().cpu().numpy()

    def _in_plane(self, planes: torch.Tensor) -> torch.Tensor:
        """Shape (P, outputs, *working plane) to (P, outputs, *native plane), in the order of the mask's memory."""
        if len(self._plane) == 2:
            native = F.interpolate(planes, self._plane, mode="bilinear")
        elif planes.shape[-1] == 1:  # torch's antialiasing errs on a picture one pixel wide
            native = planes.expand(-1, -1, *self._plane)
        else:
            size = (len(planes), *self._plane)
            native = F.interpolate(planes.movedim(1, 0)[None], size, mode="bilinear", antialias=True)[0].movedim(0, 1)
        return native.flip(self._flips)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Many short operations: threads that other work keeps busy would wait for one another at each of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _rows(working: int, native: int, *, antialias: bool) -> torch.Tensor:
    """The linear map of one axis as torch's `interpolate` has it, float32, shape (native, working)."""
    eye = torch.eye(working)
    if antialias and working > 1:
        return F.interpolate(eye[None, None], (native, working), mode="bilinear", antialias=True)[0, 0]
    return F.interpolate(eye.T[None], native, mode="linear")[0].T.contiguous()


def _made(shape: tuple[int, ...], slowest: int, labels: int | None) -> np.ndarray:
    """A mask in whose memory the native axis `slowest` comes first (after the labels), then the last of the others."""
    order = (slowest, *(i for i in reversed(range(len(shape))) if i != slowest))
    lead = () if labels is None else (labels,)
    memory = room.empty((*lead, *(shape[i] for i in order)), np.uint8)
    return memory.transpose(*range(len(lead)), *(len(lead) + order.index(i) for i in range(len(shape))))


def _target(array: np.ndarray, restoration: Restoration, order: tuple[int, ...]) -> np.ndarray:
    """Where planes go, shape (native planes, labels if any, *plane): only the first axis runs as the working one does.

    Outside the box that the network saw all is background.
    """
    lead = array.ndim - len(order)
    turned = restoration.turn.apply(array)
    for place, side in enumerate(restoration.box):
        planes = np.moveaxis(turned, lead + place, 0)
        planes[: side.start] = 0
        planes[side.stop :] = 0
    kept = turned[(*(slice(None),) * lead, *restoration.box)]
    target = kept.transpose(lead + order[0], *range(lead), *(lead + i for i in order[1:]))
    for place, axis in enumerate(order[1:], 1 + lead):
        if restoration.turn.flipped[axis]:
            target = np.flip(target, place)
    return target
