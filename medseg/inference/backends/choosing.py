"""Open the backend that was asked for, or the best that is here."""

from importlib.util import find_spec
from pathlib import Path

from torch import nn

from medseg.device import Compute
from medseg.errors import ConfigError, MedsegError
from medseg.inference.backends.backend import Backend
from medseg.inference.backends.compiled import open_compiled
from medseg.inference.backends.converting import open_converted
from medseg.inference.backends.cost import gigaflops
from medseg.inference.backends.original import Original
from medseg.inference.backends.torch_eager import TorchEager

__all__ = ["open_backend"]

_WORTH_CONVERTING = 5.0  # 10⁹ operations a window


def open_backend(
    name: str,
    network: nn.Module,
    window: tuple[int, ...],
    compute: Compute,
    *,
    folder: Path | None = None,
    digest: str = "",
    exclusive: bool = True,
) -> Backend:
    """What computes a network.

    Args:
        name: auto, torch, compile, onnx or openvino.
        network: In eval mode, float32, on its device; an ensemble is one network too.
        window: Shape of what it is given: (C, *patch).
        compute: Device and precision.
        folder: The model folder, beside whose weights a converted network is kept; without it none is kept.
        digest: SHA-256 of the weights, by which a conversion is known to be of them.
        exclusive: Whether the labels exclude one another (argmax) or not (sigmoid); by it agreement is judged.

    Raises:
        MissingExtraError: The backend that was asked for is not installed.
        ConfigError: It does not compute on the device, cannot take the network, or disagrees with torch.
    """
    original = Original(network, window, exclusive, digest, folder)
    device = compute.device.type
    if name == "torch":
        return TorchEager(network, compute, f"torch computes the network on {device}, as asked.")
    if name == "compile":
        return open_compiled(original, compute)
    if name == "auto":
        return _best(original, compute)
    if device != "cpu":
        found = f"{name} computes on the CPU, and the device is {device}"
        raise ConfigError("backend", found, "Set device=cpu, or take backend=torch.")
    return open_converted(name, original, compute.precision)


def _best(original: Original, compute: Compute) -> Backend:
    """What `auto` is: torch on a device; on a CPU OpenVINO, where it is installed and agrees, else torch.

    A first opening converts, which takes about as long as PyTorch takes for 25 windows; later ones read what is kept.
    It is done for one case as for a thousand, and by counted operations and not by a clock, so that the same image
    gives the same mask alone, in a batch and tomorrow. A small network is left to PyTorch: it would take hundreds of
    windows to win back the seconds of its conversion. So is one without a folder to keep it in, since each opening
    would convert. ONNX Runtime is no faster than PyTorch with a tuned allocator, and compiling takes most of a minute
    at each start: both are there for whoever asks for them.
    """
    if compute.device.type != "cpu":
        return TorchEager(original.network, compute, f"torch computes the network on {compute.device.type}.")
    if find_spec("openvino") is None:
        reason = "OpenVINO, which is faster on a CPU, is not installed: pip install 'medseg[openvino]'"
        return TorchEager(original.network, compute, f"torch computes the network; {reason}.")
    if gigaflops(original) < _WORTH_CONVERTING:
        return TorchEager(original.network, compute, "torch computes the network, which is too small to convert.")
    if original.folder is None:
        reason = "it has no folder in which a conversion for OpenVINO could be kept"
        return TorchEager(original.network, compute, f"torch computes the network; {reason}.")
    try:
        return open_converted("openvino", original, compute.precision)
    except MedsegError as error:
        return TorchEager(original.network, compute, f"torch computes the network, as of OpenVINO: {error}")
