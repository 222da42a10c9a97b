"""From a network's logits back to a mask on the native grid."""

import numpy as np
import torch

from medseg.transforms.prepare import Restoration
from medseg.transforms.resize import resize

__all__ = ["restore"]


def restore(
    logits: torch.Tensor, restoration: Restoration, *, exclusive: bool = True, probabilities: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits on the network's grid to the native grid.

    Args:
        logits: Shape (classes, *working shape), or (labels, *working shape) where labels may overlap.
        restoration: The way back.
        exclusive: Each voxel gets the class of the largest logit; else each label of which it has half at least.
        probabilities: Also give those of the labels: the softmax, or each one's sigmoid.

    Returns:
        uint8: class indices of the native shape, or 0 and 1 for each label, shape (labels, *native); and probabilities,
        float16, shape (labels, *native), or None. Outside the box that the network saw all is background.
    """
    kept_shape = tuple(side.stop - side.start for side in restoration.box)
    native_logits = resize(logits.float(), kept_shape)
    found = native_logits.argmax(0) if exclusive else native_logits >= 0
    mask = _placed(found.to(torch.uint8), restoration)
    if not probabilities:
        return mask, None
    shares = native_logits.softmax(0)[1:] if exclusive else native_logits.sigmoid()
    return mask, _placed(shares.half(), restoration)


def _placed(found: torch.Tensor, restoration: Restoration) -> np.ndarray:
    """What lies in the box that the network saw, last axes spatial, on the native grid; 0 outside."""
    inside = found.cpu().numpy()
    lead = inside.shape[: inside.ndim - len(restoration.box)]
    whole = np.zeros((*lead, *(restoration.native.shape[axis] for axis in restoration.turn.permutation)), inside.dtype)
    whole[(slice(None),) * len(lead) + restoration.box] = inside
    return np.ascontiguousarray(restoration.turn.undo(whole))
