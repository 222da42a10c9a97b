"""Optimisers: what decays, what each learns, and the running mean of the weights."""

import pytest
import torch

from medseg.training.checkpoint import RunningMean
from medseg.training.learning_settings import LearningSettings
from medseg.training.optimisers import OPTIMISERS, build_optimiser, weight_groups


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_learns_a_line(name):
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 1)
    x = torch.randn(64, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 1
    optimiser = build_optimiser(network, LearningSettings(optimiser=name, learning_rate=0.05, momentum=0.5))
    for _ in range(300):
        loss = (network(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05


def test_norms_and_biases_do_not_decay():
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 4, 3), torch.nn.InstanceNorm3d(4, affine=True))
    kernels, others = weight_groups(network, 0.1)
    assert (kernels["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert [weight.ndim for weight in kernels["params"]] == [5]
    assert len(others["params"]) == 3


def test_sgd_is_nnunets_unless_told_otherwise():
    group = build_optimiser(torch.nn.Linear(2, 2), LearningSettings(optimiser="sgd")).param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"], group["nesterov"]) == (1e-2, 3e-5, 0.99, True)


def test_the_running_mean_follows_quickly_at_first():
    layer = torch.nn.Linear(1, 1)
    mean = RunningMean(layer, 0.999)
    with torch.no_grad():
        layer.weight.fill_(5.0)
    for step in range(50):
        mean.update(layer, step)
    assert mean.weights["weight"].item() == pytest.approx(5.0, abs=1e-2)
