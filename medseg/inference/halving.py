"""A network that is given fewer windows at once where the memory of its device does not suffice."""

import torch

from medseg.inference.streaming import Network

__all__ = ["Halving"]


class Halving:
    """Halves its batches each time that they do not fit, and keeps to that; the answers are the same.

    Args:
        network: Windows to logits, one window not depending on the others.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._most: int | None = None

    @property
    def most(self) -> int | None:
        """Windows that fit at once; None as long as all did."""
        return self._most

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits of windows.

        Raises:
            torch.OutOfMemoryError: Not even one window fits.
        """
        while True:
            size = min(len(windows), self._most or len(windows))
            try:
                if size == len(windows):
                    return self._network(windows)
                return torch.cat([self._network(part) for part in windows.split(size)])
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            # Here and not above, where the error still holds what did not fit.
            self._most = size // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
