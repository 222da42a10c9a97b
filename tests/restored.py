"""Whole logits on the native grid: by `SlabRestorer` in one slab, and by torch alone, which is what it is judged by."""

import numpy as np
import torch

from medseg.transforms.prepare import Restoration
from medseg.transforms.resize import resize
from medseg.transforms.restoring import SlabRestorer

__all__ = ["native_logits", "restored", "restored_by_torch"]


def restored(
    logits: torch.Tensor, restoration: Restoration, *, exclusive: bool = True, probabilities: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """The mask and, where asked, the probabilities of the labels, float16."""
    labels = len(logits) - exclusive
    shares = np.empty((labels, *restoration.native.shape), np.float16) if probabilities else None
    restorer = SlabRestorer(restoration, len(logits), 0, exclusive=exclusive, shares=shares)
    restorer.add(0, logits)
    return restorer.finish(), shares


def native_logits(logits: torch.Tensor, restoration: Restoration) -> torch.Tensor:
    """In the box that the network saw, turned."""
    return resize(logits.float(), tuple(side.stop - side.start for side in restoration.box))


def restored_by_torch(
    logits: torch.Tensor, restoration: Restoration, *, exclusive: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """All at once, by torch's own interpolation: mask and probabilities."""
    native = native_logits(logits, restoration)
    found = native.argmax(0) if exclusive else native >= 0
    shares = native.softmax(0)[1:] if exclusive else native.sigmoid()
    return _placed(found.to(torch.uint8), restoration), _placed(shares.half(), restoration)


def _placed(inside: torch.Tensor, restoration: Restoration) -> np.ndarray:
    turned = (restoration.native.shape[axis] for axis in restoration.turn.permutation)
    whole = np.zeros((*inside.shape[: inside.ndim - len(restoration.box)], *turned), inside.numpy().dtype)
    whole[(..., *restoration.box)] = inside.numpy()
    return restoration.turn.undo(whole)
