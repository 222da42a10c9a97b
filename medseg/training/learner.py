"""A network with its optimiser, its running mean and its progress: what one step changes and a checkpoint keeps."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from medseg.labels import Labels
from medseg.training.batch import Batch
from medseg.training.checkpoint import Progress, RunningMean, load_checkpoint, save_checkpoint
from medseg.training.losses import build_loss
from medseg.training.settings import LearningSettings, TrainSettings

__all__ = ["Learner", "learning_rate"]


def learning_rate(step: int, total_steps: int, settings: LearningSettings) -> float:
    """Rate of a step: a linear rise over the warm-up, then half a cosine down to 0."""
    rise = max(1, round(settings.warmup * total_steps))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total_steps - rise)))


@dataclass(eq=False)
class Learner:
    """All that a step of training changes."""

    network: nn.Module
    model: Any  # the network as Fabric runs it: on its device, in its precision
    optimiser: Any
    loss: nn.Module
    mean: RunningMean
    progress: Progress
    settings: LearningSettings
    fabric: Fabric

    @classmethod
    def create(
        cls, network: nn.Module, labels: Labels, settings: TrainSettings, fabric: Fabric, total_steps: int = 1
    ) -> "Learner":
        """A learner before its first step."""
        learning = settings.learning
        adamw = torch.optim.AdamW(network.parameters(), lr=learning.learning_rate, weight_decay=learning.weight_decay)
        model, optimiser = fabric.setup(network, adamw)
        loss = fabric.to_device(build_loss(labels, settings.loss))
        mean = RunningMean(network, learning.ema)
        return cls(network, model, optimiser, loss, mean, Progress(total_steps), learning, fabric)

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self.progress.step, self.progress.total_steps, self.settings)

    def step(self, batch: Batch) -> float:
        """Learn from one batch; its loss. A batch whose loss is not finite changes nothing."""
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.optimiser.zero_grad()
        batch = batch.to(self.fabric.device)
        loss = self.loss([self.model(batch.images)], batch)
        value = float(loss.item())
        if math.isfinite(value):
            self.fabric.backward(loss)
            self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=self.settings.gradient_clip, error_if_nonfinite=False
            )
            self.optimiser.step()
            self.mean.update(self.network, self.progress.step)
            self.progress.step += 1
        return value

    def save(self, path: Path) -> None:
        """Write everything, atomically."""
        states = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        save_checkpoint(path, self.progress, mean=self.mean.weights, **states)

    def restore(self, path: Path) -> None:
        """Go back to what `save` wrote."""
        self.progress, states = load_checkpoint(path)
        self.network.load_state_dict(states["network"])
        self.optimiser.load_state_dict(states["optimiser"])
        for name, tensor in self.mean.weights.items():
            tensor.copy_(states["mean"][name])
