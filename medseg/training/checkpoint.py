"""What a killed training needs to go on, saved after every epoch and read with `weights_only`."""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medseg.atomic import atomic_path
from medseg.errors import UnreadableFileError
from medseg.networks.weights import named_weights

__all__ = ["Progress", "RunningMean", "load_checkpoint", "save_checkpoint"]


@dataclass
class Progress:
    """How far a training is.

    Args:
        total_steps: The budget in steps; from minutes once the speed was measured.
        step: Steps done.
        seconds: Time that these steps and their validations took.
        waiting: Part of them that steps waited for their batches.
        validating: Part of them that validations took.
        step_seconds: What a step takes now, with what it waits.
        validation_seconds: What the last validation took.
        best: Highest mean validation Dice so far.
        left_out: Why cases could not be read in the middle of training, by their ids.
        history: A row an epoch: epoch, step, loss, learning_rate, val_dice, val_dice_LABEL.
    """

    total_steps: int
    step: int = 0
    seconds: float = 0.0
    waiting: float = 0.0
    validating: float = 0.0
    step_seconds: float = 0.0
    validation_seconds: float = 0.0
    best: float = -1.0
    left_out: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def dices(self) -> list[float]:
        """Mean validation Dice of every validation so far."""
        return [row["val_dice"] for row in self.history if "val_dice" in row]

    @property
    def epoch_step(self) -> int:
        """Steps done when the last epoch ended."""
        return int(self.history[-1]["step"]) if self.history else 0


class RunningMean:
    """Exponential running mean of a network's weights; the decay grows to its value in the first steps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: tensor.clone() for name, tensor in _weights(network).items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.weights.values()), list(_weights(network).values()), 1 - decay)

    def copy_into(self, network: nn.Module) -> None:
        """Give a network these weights."""
        for name, tensor in _weights(network).items():
            tensor.copy_(self.weights[name])


def _weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """What has a mean: not the counters among the buffers."""
    return {name: tensor for name, tensor in named_weights(network).items() if tensor.is_floating_point()}


def save_checkpoint(path: Path, progress: Progress, **states: Any) -> None:
    """Write progress and the state dicts (tensors and plain values only) to one file, atomically."""
    with atomic_path(path) as unfinished:
        torch.save({"progress": vars(progress), **states}, unfinished)


def load_checkpoint(path: Path) -> tuple[Progress, dict[str, Any]]:
    """Progress and state dicts of a checkpoint, on the CPU.

    Raises:
        UnreadableFileError: The file is not a checkpoint of ours.
    """
    try:
        states = torch.load(path, map_location="cpu", weights_only=True)
        return Progress(**states.pop("progress")), states
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError, EOFError) as error:
        raise UnreadableFileError(path, f"is no checkpoint ({error})", "Delete it and train from the start.") from error
