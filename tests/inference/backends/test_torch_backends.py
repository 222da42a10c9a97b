"""PyTorch as a backend, as it is and compiled; its norms in steps; what a window costs."""

import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from medseg.device import open_compute
from medseg.errors import ConfigError
from medseg.inference.backends.choosing import open_backend
from medseg.inference.backends.cost import gigaflops
from medseg.inference.backends.original import Original
from medseg.inference.backends.stepwise_norm import StepwiseNorm, with_stepwise_norms

CPU = open_compute("cpu", "fp32")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_torch_gives_float32_in_either_precision_and_for_any_batch(precision):
    network = nn.Conv2d(1, 2, 3, padding=1).eval()
    backend = open_backend("torch", network, (1, 8, 8), open_compute("cpu", precision))
    windows = torch.randn(3, 1, 8, 8)
    logits = backend(windows)
    assert (backend.precision, logits.dtype, logits.requires_grad) == (precision, torch.float32, False)
    assert torch.allclose(logits, torch.cat([backend(one[None]) for one in windows]), atol=1e-5)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_network_agrees_with_itself_for_any_batch():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 2, 1)).eval()
    backend = open_backend("compile", network, (1, 24, 24), CPU)
    assert "agrees" in backend.why
    for batch in (1, 3):
        windows = torch.randn(batch, 1, 24, 24)
        with torch.no_grad():
            assert torch.allclose(backend(windows), network(windows), atol=1e-5)


class Branching(nn.Module):
    def forward(self, images):
        return images if images.max() > 3 else -images


def test_a_network_that_cannot_be_compiled_is_told():
    with pytest.raises(ConfigError, match=r"cannot be compiled here.*backend=torch"):
        open_backend("compile", Branching(), (1, 8, 8), CPU)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(2, 9), min_size=2, max_size=3),
    st.booleans(),
    st.floats(-50, 50),
    st.floats(0.1, 30),
)
def test_a_norm_in_steps_is_the_instance_norm(shape, affine, mean, sd):
    generator = torch.Generator().manual_seed(0)
    kind = nn.InstanceNorm2d if len(shape) == 2 else nn.InstanceNorm3d
    norm = kind(3, affine=affine, eps=1e-3).double().eval()
    if affine:
        nn.init.normal_(norm.weight, generator=generator)
        nn.init.normal_(norm.bias, generator=generator)
    images = mean + sd * torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64)
    assert torch.allclose(StepwiseNorm(norm)(images), norm(images), atol=1e-9)


def test_norms_are_replaced_in_a_copy_that_shares_its_weights():
    network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Sequential(nn.InstanceNorm3d(4, affine=True))).eval()
    copied = with_stepwise_norms(network)
    assert isinstance(network[1][0], nn.InstanceNorm3d)
    assert isinstance(copied[1][0], StepwiseNorm)
    assert copied[0].weight is network[0].weight
    assert copied[1][0].weight is network[1][0].weight


def test_a_window_costs_two_operations_for_each_weight_and_place():
    network = nn.Conv3d(2, 5, 3, padding=1)
    assert gigaflops(Original(network, (2, 6, 7, 8))) == pytest.approx(2 * 2 * 5 * 27 * 6 * 7 * 8 / 1e9)
    assert gigaflops(Original(Branching(), (1, 8, 8))) == float("inf")
