"""nnU-Net's networks against their definition, written down once more with PyTorch's functions."""

import pytest
import torch
import torch.nn.functional as F
from nnunet_results import configuration, network_of, plans

from medseg.networks.nnunet_unet import canonical_name

CONV = {2: F.conv2d, 3: F.conv3d}
UP = {2: F.conv_transpose2d, 3: F.conv_transpose3d}
POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}


def block(x, weights, name, stride=1, active=True):
    """Convolution of the same size, instance norm, leaky ReLU."""
    kernel = weights[f"{name}.conv.weight"]
    padding = [(n - 1) // 2 for n in kernel.shape[2:]]
    x = CONV[x.ndim - 2](x, kernel, weights.get(f"{name}.conv.bias"), stride, padding)
    x = F.instance_norm(x, weight=weights[f"{name}.norm.weight"], bias=weights[f"{name}.norm.bias"], eps=1e-5)
    return F.leaky_relu(x, 0.01) if active else x


def residual(x, weights, name, stride):
    skip = x
    if any(step != 1 for step in stride):
        skip = POOL[x.ndim - 2](skip, stride, stride)
    for place in (0, 1):
        if f"{name}.skip.{place}.conv.weight" in weights:
            skip = block(skip, weights, f"{name}.skip.{place}", active=False)
    x = block(block(x, weights, f"{name}.conv1", stride), weights, f"{name}.conv2", active=False)
    return F.leaky_relu(x + skip, 0.01)


def answer(x, weights, given, with_residuals):
    """The network by nnU-Net's names of its tensors."""
    skips = []
    if with_residuals:
        x = block(x, weights, "encoder.stem.convs.0")
    for stage, stride in enumerate(given["strides"]):
        one = [1] * len(stride)
        if with_residuals:
            for number in range(given["n_blocks_per_stage"][stage]):
                x = residual(x, weights, f"encoder.stages.{stage}.blocks.{number}", stride if number == 0 else one)
        else:
            for number in range(given["n_conv_per_stage"][stage]):
                x = block(x, weights, f"encoder.stages.{stage}.0.convs.{number}", stride if number == 0 else one)
        skips.append(x)
    for stage, count in enumerate(given["n_conv_per_stage_decoder"]):
        stride, up = given["strides"][-1 - stage], f"decoder.transpconvs.{stage}"
        x = UP[x.ndim - 2](x, weights[f"{up}.weight"], weights[f"{up}.bias"], stride)
        x = torch.cat((x, skips[-2 - stage]), 1)
        for number in range(count):
            x = block(x, weights, f"decoder.stages.{stage}.convs.{number}")
    head = f"decoder.seg_layers.{len(given['strides']) - 2}"
    return CONV[x.ndim - 2](x, weights[f"{head}.weight"], weights[f"{head}.bias"])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("with_residuals", [False, True])
def test_the_network_is_what_its_definition_says(dims, with_residuals):
    plan = plans(configurations={"it": configuration(dims, residual=with_residuals)})
    network = network_of(plan, "it", 3, seed=3)
    images = torch.randn(2, 1, *(4, 8, 16)[-dims:])
    weights = dict(network.state_dict())
    with torch.no_grad():
        expected = answer(images, weights, plan["configurations"]["it"]["architecture"]["arch_kwargs"], with_residuals)
        assert torch.allclose(network(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("saved", "own"),
    [
        ("decoder.encoder.stem.convs.0.all_modules.0.weight", "encoder.stem.convs.0.conv.weight"),
        ("encoder.stages.1.blocks.0.skip.1.all_modules.1.bias", "encoder.stages.1.blocks.0.skip.1.norm.bias"),
        ("module.decoder.stages.0.convs.1.all_modules.2.weight", "decoder.stages.0.convs.1.norm.weight"),
        ("_orig_mod.decoder.seg_layers.2.bias", "decoder.seg_layers.2.bias"),
    ],
)
def test_a_tensor_saved_under_several_names_has_one(saved, own):
    assert canonical_name(saved) == own
