"""The optimisers, in a dict of functions from groups of weights and settings."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from medseg.training.learning_settings import LearningSettings

__all__ = ["OPTIMISERS", "build_optimiser", "weight_groups"]

Groups = list[dict[str, Any]]


def weight_groups(network: nn.Module, decay: float) -> Groups:
    """Kernels, which decay, and norms and biases, which do not: to pull a scale to 0 is no simpler model."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]


def build_optimiser(network: nn.Module, settings: LearningSettings) -> Optimizer:
    """The optimiser of the settings over a network's weights."""
    return OPTIMISERS[settings.optimiser](weight_groups(network, settings.decay), settings)


def _adamw(groups: Groups, settings: LearningSettings) -> Optimizer:
    return torch.optim.AdamW(groups, lr=settings.peak_rate)


def _adam(groups: Groups, settings: LearningSettings) -> Optimizer:
    return torch.optim.Adam(groups, lr=settings.peak_rate)


def _sgd(groups: Groups, settings: LearningSettings) -> Optimizer:
    return torch.optim.SGD(groups, lr=settings.peak_rate, momentum=settings.momentum, nesterov=settings.momentum > 0)


def _rmsprop(groups: Groups, settings: LearningSettings) -> Optimizer:
    return torch.optim.RMSprop(groups, lr=settings.peak_rate)


OPTIMISERS: dict[str, Callable[[Groups, LearningSettings], Optimizer]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
    "rmsprop": _rmsprop,
}
