"""The network as PyTorch runs it, operation by operation; on CPU, CUDA and MPS."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from medseg.device import Compute

__all__ = ["TorchEager"]


@dataclass(frozen=True, eq=False)
class TorchEager:
    """A network in eval mode on a device, autocast to its precision."""

    network: nn.Module
    compute: Compute
    why: str
    name: Literal["torch"] = "torch"

    @property
    def precision(self) -> str:
        """As it computes."""
        return self.compute.precision

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits of windows."""
        with torch.no_grad(), self.compute.autocast():
            return self.network(self.compute.to_device(windows)).float()
