"""From logits that leave the network slab by slab to a mask on the native grid, a few planes at a time."""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from medseg import room
from medseg.transforms.prepare import Restoration
from medseg.transforms.resize import resize

__all__ = ["SlabRestorer"]

_BLOCK = 1 << 22  # native voxels that are restored at once


class SlabRestorer:
    """Turns slabs of logits to a mask and, where asked, probabilities: what `restore` makes of the whole of them.

    Args:
        restoration: The way back.
        outputs: Channels of the logits.
        axis: Working axis along which the slabs follow one another.
        exclusive: Each voxel gets the class of the largest logit; else each label of which it has half at least.
        mask: Where to write, uint8, the native shape (class indices) or (outputs, *native) of labels that overlap (0
            and 1); all of it is written. An array of memory order by `axis` is made where it is not given. Quickest
            where `axis` is the slowest in its memory.
        shares: Where probabilities of the labels go, float16, (labels, *native): the softmax without the background,
            or each one's sigmoid.
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
        native = restoration.native.shape
        slowest = restoration.turn.permutation[axis]
        self._mask = _zeros(native, slowest, None if exclusive else outputs) if mask is None else mask
        self._exclusive = exclusive
        self._kept = tuple(side.stop - side.start for side in restoration.box)
        dims = len(native)
        inside = _inside(self._mask, restoration)
        steps = [abs(step) for step in inside.strides[-dims:]]
        order = (axis, *sorted((i for i in range(dims) if i != axis), key=lambda i: -steps[i]))
        self._order = order
        self._targets = []
        for array in (self._mask, shares):
            if array is None:
                continue
            _clear_outside(restoration.turn.apply(array), restoration.box)
            inside = _inside(array, restoration)
            lead = inside.ndim - dims
            self._targets.append(inside.transpose(lead + axis, *range(lead), *(lead + i for i in order[1:])))
        self._with_shares = shares is not None
        self._plane = tuple(self._kept[i] for i in order[1:])
        self._matrix = _axis_weights(restoration.working_shape[axis], self._kept[axis], dims == 2)
        used = self._matrix != 0
        self._first = used.float().argmax(1)
        self._past = used.shape[1] - used.flip(1).float().argmax(1)
        self._done = 0
        self._held: torch.Tensor | None = None
        self._held_start = 0

    def add(self, start: int, logits: torch.Tensor) -> None:
        """The next slab: logits of the working planes from `start` on, shape (outputs, *working shape cut)."""
        planes = logits.float().permute(0, *(1 + i for i in self._order))
        if self._held is not None:
            planes = torch.cat([self._held, planes], 1)
            start = self._held_start
        stop = start + planes.shape[1]
        step = max(1, _BLOCK // int(np.prod(self._plane)))
        ready = int((self._past <= stop).sum())
        for begin in range(self._done, ready, step):
            end = min(ready, begin + step)
            low, high = int(self._first[begin]), int(self._past[end - 1])
            rows = self._matrix[begin:end, low:high].to(planes)
            self._restore(begin, torch.einsum("ps,cs...->pc...", rows, planes[:, low - start : high - start]))
        self._done = ready
        if ready < len(self._matrix):
            first = min(stop, int(self._first[ready]))
            self._held, self._held_start = planes[:, first - start :].clone(), first

    def finish(self) -> np.ndarray:
        """The mask, after the last slab."""
        return self._mask

    def _restore(self, begin: int, planes: torch.Tensor) -> None:
        """Planes that lie on native ones from `begin` on, shape (P, C, *working plane), to their places."""
        if len(self._plane) == 2:
            native = F.interpolate(planes, self._plane, mode="bilinear")
        else:
            native = resize(planes.movedim(1, 0), (len(planes), *self._plane)).movedim(0, 1)
        where = slice(begin, begin + len(planes))
        found = native.argmax(1) if self._exclusive else native >= 0
        self._targets[0][where] = found.to(torch.uint8).cpu().numpy()
        if self._with_shares:
            shares = native.softmax(1)[:, 1:] if self._exclusive else native.sigmoid()
            self._targets[1][where] = shares.half().cpu().numpy()


@lru_cache(maxsize=64)
def _axis_weights(working: int, native: int, antialias: bool) -> torch.Tensor:
    """The linear map of one axis as torch's `interpolate` has it, float32, shape (native, working)."""
    eye = torch.eye(working)
    if antialias:
        return F.interpolate(eye[None, None], (native, working), mode="bilinear", antialias=True)[0, 0]
    return F.interpolate(eye.T[None], native, mode="linear")[0].T.contiguous()


def _zeros(shape: tuple[int, ...], slowest: int, labels: int | None) -> np.ndarray:
    """A mask in whose memory the native axis `slowest` comes first (after the labels), then the last of the others."""
    order = (slowest, *(i for i in reversed(range(len(shape))) if i != slowest))
    lead = () if labels is None else (labels,)
    memory = room.empty((*lead, *(shape[i] for i in order)), np.uint8)
    memory[...] = 0
    return memory.transpose(*range(len(lead)), *(len(lead) + order.index(i) for i in range(len(shape))))


def _inside(array: np.ndarray, restoration: Restoration) -> np.ndarray:
    """What of a native array the network saw, turned; a view, last axes spatial."""
    lead = (slice(None),) * (array.ndim - len(restoration.box))
    return restoration.turn.apply(array)[(*lead, *restoration.box)]


def _clear_outside(turned: np.ndarray, box: tuple[slice, ...]) -> None:
    """Background outside the box that the network saw, last axes spatial."""
    for place, side in enumerate(box):
        planes = np.moveaxis(turned, place - len(box), 0)
        planes[: side.start] = 0
        planes[side.stop :] = 0
