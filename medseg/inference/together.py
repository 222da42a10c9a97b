"""Small images of several cases through the network at once: those that fit into one window, at a constant size."""

from collections.abc import Callable, Sequence

import torch

from medseg.inference.streaming import Network
from medseg.inference.windows import Tiling
from medseg.transforms.planes import Planes

__all__ = ["Known", "answers", "fits_one_window", "window_of"]


class Known:
    """A network that was already asked about the one window of an image.

    Args:
        logits: Its answer, shape (outputs, *patch).
    """

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits = logits

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """The answer, for the window that was asked about."""
        assert len(windows) == 1, "an image of one window"
        return self._logits[None]


def fits_one_window(tiling: Tiling) -> bool:
    """Whether one window shows all of an image."""
    return all(len(starts) == 1 for starts in tiling.starts)


def window_of(planes: Planes, tiling: Tiling) -> torch.Tensor:
    """The window over the whole of an image, 0 round it where it is smaller, shape (C, *patch)."""
    window = torch.zeros((planes.channels, *tiling.patch))
    inner = window
    for axis, (before, n) in enumerate(zip(tiling.before(planes.shape), planes.shape, strict=True)):
        inner = inner.narrow(axis + 1, before, n)
    inner.copy_(planes.read(0, 0, planes.shape[0]))
    return window


def answers(
    network: Network, windows: Sequence[torch.Tensor], device: torch.device | str
) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """For each window a network that knows the answer; where the batch fails, the network itself, to be asked singly.

    Args:
        network: Windows to logits.
        windows: Each of shape (C, *patch).
        device: Where the network wants them.
    """
    if len(windows) < 2:
        return [network] * len(windows)
    try:
        with torch.inference_mode():
            return [Known(logits) for logits in network(torch.stack(list(windows)).to(device))]
    except Exception:  # whatever it is: asked singly, each case fails or ends well by itself
        return [network] * len(windows)
