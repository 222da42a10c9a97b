"""Read a model folder: its plan and its safetensors weights, or its exported program."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from medseg.device import open_fabric
from medseg.errors import ModelFolderError
from medseg.inference.network_segmenter import NetworkSegmenter
from medseg.networks import build_network
from medseg.networks.own import find_factory
from medseg.networks.weights import read_weights
from medseg.plan import Plan, model_root, read_plan
from medseg.trust import is_own, require_trust

__all__ = ["load_model", "read_network"]


def load_model(
    folder: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    portable: bool = False,
    trusted: bool = False,
) -> NetworkSegmenter:
    """Open a model folder that `medseg train` wrote.

    Args:
        folder: The model folder, or the folder of the run that holds it as `model/`.
        device: "auto", "cpu", "cuda", "mps".
        precision: "auto", "fp32", "bf16", "fp16".
        portable: Predict exactly as the bundle does in plain MONAI: fp32, no cropping.
        trusted: A network that is somebody's own (`package.module:factory`) may run: that code or, where it is not
            installed here, its exported program, which PyTorch unpickles. Say so only of folders from whom you trust.

    Raises:
        ModelFolderError: A file of it is missing, weights and plan do not belong together, or its network is
            somebody's own and not trusted; then nothing of it has been imported.
    """
    root = model_root(Path(folder))
    if not root.is_dir():
        raise ModelFolderError(root, "is not a folder", "Pass the folder `model/` that `medseg train` wrote.")
    plan = read_plan(root / "plan.json")
    require_trust(root, plan.network.name, trusted)
    fabric = open_fabric(device, "fp32" if portable else precision)
    digest = hashlib.sha256(_content(root / "models" / "model.safetensors")).hexdigest()
    if is_own(plan.network.name) and find_factory(plan.network.name) is None:
        program = _program(root, plan, fabric.device)
        return NetworkSegmenter(program, plan, fabric, not portable, digest, "exported program")
    network = read_network(root, plan, trusted=trusted).eval().to(fabric.device)
    return NetworkSegmenter(network, plan, fabric, not portable, digest)


def read_network(root: Path, plan: Plan, *, trusted: bool = False) -> nn.Module:
    """The plan's network with the weights of a model folder, float32, on the CPU; `trusted` as in `load_model`.

    Raises:
        ModelFolderError: The weights are missing, broken or of another network, or that is not trusted.
        ConfigError: The network cannot be built here.
    """
    path = root / "models" / "model.safetensors"
    require_trust(root, plan.network.name, trusted)
    network = build_network(plan)
    try:
        read_weights(network, path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (SafetensorError, ValueError) as error:
        found = f"does not fit plan.json ({error})"
        raise ModelFolderError(path, found, "Plan and weights must come from one training.") from error
    return network


def _program(root: Path, plan: Plan, device: torch.device) -> nn.Module:
    """The exported program, in eval mode for good, on the device."""
    from torch.export.passes import move_to_device_pass

    path = root / "models" / "model.pt2"
    if not path.exists():
        found = f"its network {plan.network.name} is not installed here"
        raise ModelFolderError(root, found, "Install its package, or put its folder on PYTHONPATH.")
    try:
        return move_to_device_pass(torch.export.load(path), device).module()
    except Exception as error:  # torch.export names no errors of its own for a damaged file
        raise _unreadable(path, error) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ModelFolderError:
    return ModelFolderError(path, f"cannot be read ({error})", "Restore the file, or train again.")
