"""Open the backend that was asked for, or the best that is here."""

from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from medseg.inference.backends.backend import Backend
from medseg.inference.backends.torch_eager import TorchEager

__all__ = ["open_backend"]


def open_backend(
    name: str,
    network: nn.Module,
    window: tuple[int, ...],
    fabric: Fabric,
    *,
    folder: Path | None = None,
    digest: str = "",
    exclusive: bool = True,
) -> Backend:
    """What computes a network.

    Args:
        name: auto, torch, compile, onnx or openvino.
        network: In eval mode, float32, on Fabric's device; an ensemble is one network too.
        window: Shape of what it is given: (C, *patch).
        fabric: Device and precision.
        folder: The model folder, beside whose weights a converted network is kept; without it none is kept.
        digest: SHA-256 of the weights, by which a conversion is known to be of them.
        exclusive: Whether the labels exclude one another (argmax) or not (sigmoid); by it agreement is judged.
    """
    return TorchEager(network, fabric, f"torch computes the network on {fabric.device.type}.")
