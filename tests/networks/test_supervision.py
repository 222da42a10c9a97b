"""In training the coarser levels answer too; the network that predicts is left as it was."""

import copy

import pytest
import torch
from lightning_fabric import Fabric
from plans import plan_2d, plan_3d
from torch import nn

from medseg.networks.building import build_network
from medseg.networks.supervision import DeepSupervision
from medseg.plan import NetworkPlan

LEVELS = NetworkPlan(
    features=(4, 6, 8, 10, 12),
    kernels=((3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
)


def supervised(**network) -> DeepSupervision:
    plan = plan_3d(patch_size=(32, 32, 16), network=LEVELS.model_copy(update=network))
    return DeepSupervision(build_network(plan), plan)


def test_levels_come_finest_first_at_their_own_resolution_without_the_lowest():
    outputs = supervised()(torch.rand(2, 1, 32, 32, 16))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 3, 32, 32, 16), (2, 3, 16, 16, 16), (2, 3, 8, 8, 8)]


def test_the_finest_is_what_the_network_itself_says():
    model, images = supervised(), torch.rand(2, 1, 32, 32, 16)
    assert torch.equal(model(images)[0], model.network(images))


def test_without_deep_supervision_or_known_levels_there_is_one():
    assert len(supervised(deep_supervision=False)(torch.rand(1, 1, 32, 32, 16))) == 1
    unknown = DeepSupervision(nn.Conv2d(1, 2, 1), plan_2d())
    assert len(unknown(torch.rand(1, 1, 32, 32))) == 1
    assert not list(unknown.heads.parameters())


def test_every_weight_learns():
    model = supervised()
    sum(logits.square().mean() for logits in model(torch.rand(2, 1, 32, 32, 16))).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_the_network_has_no_trace_of_it():
    plan = plan_3d(patch_size=(32, 32, 16), network=LEVELS)
    network = build_network(plan)
    names = set(network.state_dict())
    DeepSupervision(network, plan)(torch.rand(1, 1, 32, 32, 16))
    assert set(network.state_dict()) == names
    assert not any(module._forward_hooks for module in network.modules())


def test_it_is_copied_and_loaded_whole():
    one, images = supervised().eval(), torch.rand(1, 1, 32, 32, 16)
    two = copy.deepcopy(one)
    three = supervised().eval()
    three.load_state_dict(one.state_dict())
    for other in (two, three):
        assert all(torch.equal(a, b) for a, b in zip(one(images), other(images), strict=True))
    with torch.no_grad():
        next(two.heads.parameters()).zero_()
    assert not torch.equal(one(images)[1], two(images)[1])


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_fabric_runs_it(precision):
    model = supervised()
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    ready, _ = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert [logits.shape[2] for logits in ready(torch.rand(1, 1, 32, 32, 16))] == [32, 16, 8]


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # from where Dynamo resumes after the hooks
def test_it_compiles_once_and_says_the_same():
    model, graphs = supervised(), []
    compiled = torch.compile(model, backend=lambda graph, _inputs: graphs.append(graph) or graph.forward)
    for step in range(3):
        images = torch.full((1, 1, 32, 32, 16), float(step)) + torch.rand(1, 1, 32, 32, 16)
        assert all(torch.allclose(a, b) for a, b in zip(compiled(images), model(images), strict=True))
    assert len(graphs) <= 2
