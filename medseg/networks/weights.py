"""The weights of a network by name, each once, and their safetensors file."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

__all__ = ["named_weights", "read_weights", "weight_bytes"]


def named_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, each under one name (a state dict of DynUNet has most of them twice)."""
    return {name: tensor.detach() for name, tensor in (*network.named_parameters(), *network.named_buffers())}


def weight_bytes(network: nn.Module) -> bytes:
    """A safetensors file of the weights; equal weights give equal bytes."""
    return save({name: tensor.cpu().contiguous() for name, tensor in named_weights(network).items()})


@torch.no_grad()
def read_weights(network: nn.Module, path: Path) -> None:
    """Give a network the weights of a safetensors file.

    Raises:
        SafetensorError: The file is broken.
        ValueError: It is not of a network like this one; the first weight that differs is named.
    """
    weights, own = load_file(path), named_weights(network)
    for name in sorted(weights.keys() ^ own.keys()):
        raise ValueError(f"{name} is only in the {'file' if name in weights else 'network'}")
    for name, tensor in own.items():
        if tensor.shape != weights[name].shape:
            raise ValueError(f"{name} is {tuple(weights[name].shape)}, not {tuple(tensor.shape)}")
        tensor.copy_(weights[name])
