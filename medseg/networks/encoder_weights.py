"""Pretrained weights of an encoder from a local file, whose stem saw red, green and blue."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from medseg.errors import ConfigError
from medseg.plan import Plan

__all__ = ["start_encoder"]

_WHERE = "plan.network.options.weights"
_STEMS = ("conv1.weight", "_conv_stem.weight")
_HEADS = ("fc.", "_fc.", "_conv_head.", "_bn1.")  # of the classifier, which segments nothing


def start_encoder(network: nn.Module, plan: Plan) -> None:
    """Give a fresh network's encoder the weights that the plan names, if it names any.

    They are those of torchvision's ResNets or MedicalNet's, of efficientnet-pytorch or of MONAI; a stem for other
    channels than the file's answers a grey image as the file's answers that image in all its channels.

    Raises:
        ConfigError: The file cannot be read, or is not of this encoder.
    """
    named = plan.network.options.get("weights")
    if named is None or plan.network.name != "flexible":
        return
    given, encoder = _read(Path(named)), network.get_submodule("encoder")
    own = {name: tensor for name, tensor in encoder.state_dict().items() if not name.startswith(_HEADS)}
    found = {name: _of(given, name, tensor) for name, tensor in own.items() if tensor.is_floating_point()}
    lacking = [name for name, tensor in found.items() if tensor is None]
    if lacking:
        name = lacking[0]
        there = given.get(name)
        shape = "is not in it" if there is None else f"is {tuple(there.shape)}, not {tuple(own[name].shape)}"
        raise ConfigError(
            _WHERE,
            f"{named} does not fit: {len(lacking)} of {len(found)} weights of the encoder lack, {name} {shape}",
            f"Give the weights of a {plan.dims}D {plan.network.options.get('encoder', 'resnet34')}.",
        )
    with torch.no_grad():
        for name, tensor in found.items():
            own[name].copy_(tensor)  # a state dict's tensors are the network's own


def _read(path: Path) -> dict[str, torch.Tensor]:
    given: Any
    try:
        if path.suffix == ".safetensors":
            given = load_file(path)
        else:
            given = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, SafetensorError, pickle.UnpicklingError, EOFError) as error:
        first = str(error).splitlines()[0]
        mend = "Give a local .safetensors file, or a .pt or .pth file that holds tensors only."
        raise ConfigError(_WHERE, f"{path} cannot be read ({first})", mend) from error
    inner = given.get("state_dict", given) if isinstance(given, Mapping) else {}
    tensors = {str(name).removeprefix("module."): t for name, t in inner.items() if isinstance(t, torch.Tensor)}
    if not tensors:
        raise ConfigError(_WHERE, f"{path} holds no weights by name", "Give a state dict.")
    return tensors


def _of(given: Mapping[str, torch.Tensor], name: str, own: torch.Tensor) -> torch.Tensor | None:
    """The file's tensor for one of ours; `None` where there is none of its shape."""
    # efficientnet-pytorch counts the blocks through, MONAI has them in stages: _blocks.STAGE.BLOCK.
    tensor = given.get(name, given.get(re.sub(r"(_blocks)\.\d+(\.\d+\.)", r"\1\2", name)))
    if tensor is not None and name in _STEMS and tensor.shape[2:] == own.shape[2:]:
        tensor = _stem(tensor, own.shape[1])
    return tensor if tensor is not None and tensor.shape == own.shape else None


def _stem(kernels: torch.Tensor, channels: int) -> torch.Tensor:
    """A first convolution for another number of channels: their mean in each, scaled so that the sum stays."""
    if kernels.shape[1] == channels:
        return kernels
    return kernels.sum(1, keepdim=True).expand(-1, channels, *kernels.shape[2:]) / channels
