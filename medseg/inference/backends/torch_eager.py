"""The network as PyTorch runs it, operation by operation; on CPU, CUDA and MPS."""

from dataclasses import dataclass
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import nn

__all__ = ["TorchEager", "precision_of"]

_PRECISIONS = {"32-true": "fp32", "bf16-mixed": "bf16", "16-mixed": "fp16"}


def precision_of(fabric: Fabric) -> str:
    """Fabric's precision by our names: fp32, bf16 or fp16."""
    return _PRECISIONS[str(fabric.strategy.precision.precision)]


@dataclass(frozen=True, eq=False)
class TorchEager:
    """A network in eval mode on Fabric's device, autocast to Fabric's precision."""

    network: nn.Module
    fabric: Fabric
    why: str
    name: Literal["torch"] = "torch"

    @property
    def precision(self) -> str:
        """As Fabric has it."""
        return precision_of(self.fabric)

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits of windows."""
        with torch.no_grad(), self.fabric.autocast():
            return self.network(self.fabric.to_device(windows)).float()
