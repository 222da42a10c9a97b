"""From a prepared image to a mask on the native grid, never holding the logits of the whole of it."""

from collections.abc import Callable

import numpy as np
import torch

from medseg.inference.streaming import Network, stream_logits
from medseg.inference.windows import Tiling, streaming_axis
from medseg.transforms.planes import Planes
from medseg.transforms.restoring import SlabRestorer

__all__ = ["segment_planes"]


def segment_planes(
    network: Network,
    planes: Planes,
    tiling: Tiling,
    *,
    outputs: int,
    exclusive: bool,
    shares: np.ndarray | None = None,
    skip: Callable[[tuple[int, ...]], bool] | None = None,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Slide the window and restore each slab as it leaves.

    Args:
        network: Windows to logits, see `stream_logits`.
        planes: The prepared image.
        tiling: Where the windows lie.
        outputs: Channels of the logits.
        exclusive: Whether the labels exclude one another.
        shares: Where probabilities of the labels go, float16, (labels, *native).
        skip: Windows that hold nothing but air, see `stream_logits`.
        device: Where windows are cut.

    Returns:
        uint8: class indices of the native shape, or 0 and 1 for each label, shape (labels, *native).
    """
    axis = streaming_axis(planes.shape, tiling.patch)
    restorer = SlabRestorer(planes.restoration, outputs, axis, exclusive=exclusive, shares=shares)
    for slab in stream_logits(network, planes, tiling, axis, skip=skip, device=device):
        restorer.add(slab.start, slab.logits)
    return restorer.finish()
