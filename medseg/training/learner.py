"""A network with its optimiser, its running mean and its progress: what one step changes and a checkpoint keeps."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from medseg.networks.supervision import DeepSupervision
from medseg.plan import Plan
from medseg.reporting import Reporter
from medseg.training.batch import Batch
from medseg.training.checkpoint import Progress, RunningMean, load_checkpoint, save_checkpoint
from medseg.training.compiling import compiled
from medseg.training.losses import build_loss
from medseg.training.optimisers import build_optimiser
from medseg.training.schedules import learning_rate
from medseg.training.settings import TrainSettings

__all__ = ["Learner"]


@dataclass(eq=False)
class Learner:
    """All that a step of training changes.

    Args:
        supervised: The network in its wrapper of deep supervision, whose heads are learnt and never used after.
        model: The same as Fabric runs it: on its device, in its precision.
        optimiser: Of all its weights.
        loss: Of the outputs, finest first, and a batch.
        mean: Of the weights of the network itself.
        progress: How far it is.
        plan: The plan; its batch may become smaller.
        settings: Of the whole training.
        fabric: Device and precision.
    """

    supervised: DeepSupervision
    model: Any
    optimiser: Any
    loss: nn.Module
    mean: RunningMean
    progress: Progress
    plan: Plan
    settings: TrainSettings
    fabric: Fabric

    @classmethod
    def create(cls, network: nn.Module, plan: Plan, settings: TrainSettings, fabric: Fabric) -> "Learner":
        """A learner before its first step; the weights of the coarser heads are drawn by the seed."""
        torch.manual_seed(settings.seed)
        supervised = DeepSupervision(network, plan)
        model, optimiser = fabric.setup(supervised, build_optimiser(supervised, settings.learning))
        loss = fabric.to_device(build_loss(plan.label_set, settings.loss))
        mean = RunningMean(network, settings.learning.ema)
        return cls(supervised, model, optimiser, loss, mean, Progress(1), plan, settings, fabric)

    @property
    def network(self) -> nn.Module:
        """The network that predicts."""
        return self.supervised.network

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        progress = self.progress
        return learning_rate(progress.step, progress.total_steps, self.settings.learning, progress.dices)

    def copy(self) -> "Learner":
        """Another learner with the same weights, before its first step."""
        return Learner.create(copy.deepcopy(self.network), self.plan, self.settings, self.fabric)

    def step(self, batch: Batch) -> float:
        """Learn from one batch; its loss. What is random in the network depends on seed and step alone."""
        torch.manual_seed(self.settings.seed * 1_000_003 + self.progress.step)
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        batch = batch.to(self.fabric.device)
        loss = self.loss(self.model(batch.images), batch)
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            self.model, self.optimiser, max_norm=self.settings.learning.gradient_clip, error_if_nonfinite=False
        )
        self.optimiser.step()
        self.mean.update(self.network, self.progress.step)
        self.progress.step += 1
        return float(loss.item())  # last, so that a GPU is not waited for earlier

    def compile(self, reporter: Reporter) -> None:
        """Make the network faster where the settings ask for it and torch can."""
        if self.settings.learning.compile:
            self.model = compiled(self.model, self.plan, self.fabric, reporter)

    def forget_gradients(self) -> None:
        """Free what a step that failed left behind."""
        self.optimiser.zero_grad()
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()

    def save(self, path: Path) -> None:
        """Write everything, atomically."""
        states = {"network": self.supervised.state_dict(), "optimiser": self.optimiser.state_dict()}
        scaler = self.fabric.strategy.precision.state_dict()
        save_checkpoint(path, self.progress, mean=self.mean.weights, scaler=scaler, **states)

    def restore(self, path: Path) -> None:
        """Go back to what `save` wrote."""
        self.progress, states = load_checkpoint(path)
        self.supervised.load_state_dict(states["network"])
        self.optimiser.load_state_dict(states["optimiser"])
        self.fabric.strategy.precision.load_state_dict(states["scaler"])
        for name, tensor in self.mean.weights.items():
            tensor.copy_(states["mean"][name])
