"""From a network's logits back to a mask on the native grid."""

import numpy as np
import torch

from medseg.transforms.prepare import Restoration
from medseg.transforms.resize import resize

__all__ = ["restore"]


def restore(
    logits: torch.Tensor, restoration: Restoration, *, probabilities: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits on the network's grid to the native grid.

    Args:
        logits: Shape (classes, *working shape).
        restoration: The way back.
        probabilities: Also give the softmax of the foreground classes.

    Returns:
        Class indices, uint8, of the native shape; and probabilities, float16, shape (classes - 1, *native), or None.
        Outside the box that the network saw all is background.
    """
    kept_shape = tuple(side.stop - side.start for side in restoration.box)
    full_shape = tuple(restoration.native.shape[axis] for axis in restoration.turn.permutation)
    native_logits = resize(logits.float(), kept_shape)
    indices = np.zeros(full_shape, np.uint8)
    indices[restoration.box] = native_logits.argmax(0).to(torch.uint8).cpu().numpy()
    turned = np.ascontiguousarray(restoration.turn.undo(indices))
    if not probabilities:
        return turned, None
    shares = np.zeros((logits.shape[0] - 1, *full_shape), np.float16)
    shares[(slice(None), *restoration.box)] = native_logits.softmax(0)[1:].half().cpu().numpy()
    return turned, np.ascontiguousarray(restoration.turn.undo(shares))
