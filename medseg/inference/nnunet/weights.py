"""The weights in nnU-Net's checkpoints, checked against the network that its plans describe."""

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medseg.errors import ModelFolderError
from medseg.inference.safe_loading import NUMPY_SCALARS, file_hash, read_checkpoint
from medseg.networks.nnunet_unet import canonical_name

__all__ = ["CONVERSION", "Checkpoint", "open_checkpoint", "take_weights"]

CONVERSION = (
    "python -c \"import sys, torch; p = sys.argv[1]; c = torch.load(p, map_location='cpu', weights_only=False); "
    "k = ('network_weights', 'trainer_name', 'inference_allowed_mirroring_axes'); "
    "torch.save({n: c[n] for n in k if n in c} | {'init_args': {'configuration': c['init_args']['configuration']}}, "
    'p)" CHECKPOINT'
)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What predicting needs of a checkpoint.

    Args:
        path: The file.
        weights: Of the network, by nnU-Net's names.
        configuration: The plans' configuration that was trained, such as "3d_fullres".
        mirroring: Axes along which windows may be mirrored, in the order of the patch.
        trainer: Name of the trainer's class.
        hash: SHA-256 of the file.
    """

    path: Path
    weights: dict[str, torch.Tensor]
    configuration: str
    mirroring: tuple[int, ...]
    trainer: str
    hash: str


def open_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is run.

    Raises:
        ModelFolderError: It is missing or damaged, is no checkpoint of nnU-Net v2, or would run code when read.
    """
    held = _held(path)
    configuration = held["init_args"].get("configuration") if isinstance(held.get("init_args"), dict) else None
    weights = held.get("network_weights")
    mirroring = held.get("inference_allowed_mirroring_axes") or ()
    mend = "Pass a checkpoint that a training of nnU-Net v2 wrote."
    if not isinstance(configuration, str) or not isinstance(weights, dict) or not weights:
        raise ModelFolderError(path, "has no network_weights and init_args.configuration", mend)
    if not all(isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in weights.items()):
        raise ModelFolderError(path, "has network_weights that are no tensors by their names", mend)
    if not isinstance(mirroring, (tuple, list)) or not all(isinstance(axis, Integral) for axis in mirroring):
        raise ModelFolderError(path, f"mirrors along {mirroring!r}", mend, "whole numbers")
    trainer = str(held.get("trainer_name", ""))
    return Checkpoint(path, weights, configuration, tuple(map(int, mirroring)), trainer, file_hash(path))


def _held(path: Path) -> dict[str, Any]:
    held = read_checkpoint(path, allowed=NUMPY_SCALARS, conversion=f"run `{CONVERSION}` (a copy stays wise)")
    return held if isinstance(held, dict) else {}


@torch.no_grad()
def take_weights(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Give a network a checkpoint's weights, every tensor of both once.

    Raises:
        ModelFolderError: One of the two has a tensor that the other has not, or of another shape, or tensors that
            nnU-Net saves under several names differ.
    """
    where, found = checkpoint.path, _by_our_names(checkpoint)
    own = network.state_dict()
    for name in sorted(found.keys() ^ own.keys()):
        place = "only in the checkpoint" if name in found else "missing in the checkpoint"
        _refuse(where, checkpoint, f"{name} is {place}")
    for name, tensor in own.items():
        if tensor.shape != found[name].shape:
            _refuse(where, checkpoint, f"{name} is {tuple(found[name].shape)}, not {tuple(tensor.shape)}")
        tensor.copy_(found[name])


def _by_our_names(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, tensor in checkpoint.weights.items():
        known = found.setdefault(canonical_name(name), tensor)
        if known is not tensor and not torch.equal(known, tensor):
            _refuse(checkpoint.path, checkpoint, f"{name} differs from the tensor that it repeats")
    return found


def _refuse(where: Path, checkpoint: Checkpoint, found: str) -> None:
    mend = (
        f"plans.json must be that of the training; a trainer that builds a network of its own ({checkpoint.trainer}) "
        "cannot be taken: predict with nnUNetv2_predict."
    )
    raise ModelFolderError(where, f"does not fit the network in plans.json: {found}", mend)
