"""Each network gives one logit an output and voxel, learns with every weight and is what its plan says."""

import itertools
import math

import pytest
import torch
from monai.networks import nets
from plans import plan_2d, plan_3d
from torch import nn

from medseg.errors import ConfigError
from medseg.networks.building import NETWORKS, build_network, monai_definition
from medseg.networks.residual import BLOCKS
from medseg.networks.supervision import DeepSupervision
from medseg.networks.weights import named_weights, read_weights, weight_bytes
from medseg.plan import NetworkPlan, Plan

THIN = NetworkPlan(
    features=(4, 8, 8, 12),
    kernels=((3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2)),
    blocks=(1, 2, 1, 1),
)
FLAT = NetworkPlan(
    features=(4, 8, 8, 8), kernels=((3, 3), (1, 3), (3, 3), (3, 3)), strides=((1, 1), (1, 2), (2, 2), (2, 2))
)


def planned(name: str, dims: int, **network) -> Plan:
    """Small, with what this network can take of strides, kernels and channels."""
    if dims == 3:
        patch = {"dynunet": (16, 24, 8), "resenc": (16, 24, 8), "segresnet": (16, 24, 8), "flexible": (32, 32, 32)}
        return plan_3d(patch_size=patch[name], network=THIN.model_copy(update={"name": name, **network}))
    patch = {"dynunet": (8, 24), "resenc": (8, 24), "segresnet": (8, 24), "flexible": (64, 32)}
    levels = FLAT.model_copy(update={"name": name, **network})
    return plan_2d(channels=("a", "b"), patch_size=patch[name], network=levels)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_keeps_the_shape_and_learns_with_every_weight(name, dims):
    plan = planned(name, dims)
    model = DeepSupervision(build_network(plan), plan)
    for module in model.modules():
        if isinstance(module, nn.InstanceNorm2d | nn.InstanceNorm3d):
            nn.init.ones_(module.weight)  # residual blocks begin as their shortcut, whose rest learns from step two
    outputs = model(torch.rand(2, len(plan.channels), *plan.patch_size))
    assert outputs[0].shape == (2, plan.outputs, *plan.patch_size)
    assert len(outputs) > 1
    assert all(coarse.shape[2:] <= fine.shape[2:] for fine, coarse in itertools.pairwise(outputs))
    sum(logits.square().mean() for logits in outputs).backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("name", NETWORKS)
def test_norm_activation_and_dropout_are_the_plans(name, norm):
    plan = planned(name, 2, norm=norm, activation="gelu", dropout=0.25)
    network = build_network(plan)
    kinds = {type(module) for module in network.modules()}
    assert {nn.GELU, nn.BatchNorm2d if norm == "batch" else nn.GroupNorm} <= kinds
    assert nn.InstanceNorm2d not in kinds
    assert any(isinstance(module, nn.Dropout | nn.Dropout2d) and module.p == 0.25 for module in network.modules())
    assert network(torch.rand(2, 2, *plan.patch_size)).isfinite().all()


def test_logits_are_not_dropped():
    network = build_network(planned("dynunet", 2, dropout=0.5))
    assert not any(isinstance(module, nn.Dropout) for module in network.output_block.modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_overlapping_labels_have_an_output_each_and_no_background(name):
    plan = planned(name, 2).model_copy(update={"labels": {"whole": 1, "core": 2, "rim": 3, "overlapping": True}})
    assert plan.outputs == 3
    assert build_network(plan)(torch.rand(2, 2, *plan.patch_size)).shape[1] == 3


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_back(name, tmp_path):
    plan = planned(name, 2)
    one, two = build_network(plan).eval(), build_network(plan).eval()
    (tmp_path / "weights.safetensors").write_bytes(weight_bytes(one))
    read_weights(two, tmp_path / "weights.safetensors")
    images = torch.rand(1, 2, *plan.patch_size)
    assert torch.equal(one(images), two(images))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("name", "options"),
    [("dynunet", {}), ("segresnet", {}), ("flexible", {"encoder": "resnet10"}), ("flexible", {})],
)
def test_a_definition_is_of_the_same_network(name, options, dims):
    plan = planned(name, dims, options=options, dropout=0.1)
    definition = monai_definition(plan)
    if name == "flexible" and dims == 2 and not options:
        assert definition is None  # the ImageNet shortcuts of ResNet-34 are not MONAI's
        return
    network = build_network(plan).eval()
    plain = getattr(nets, definition.pop("_target_"))(**definition).eval()
    plain.load_state_dict(network.state_dict())
    images = torch.rand(2, len(plan.channels), *plan.patch_size)
    assert torch.equal(plain(images), network(images))


def test_the_residual_encoder_is_as_deep_as_planned():
    network = build_network(planned("resenc", 3))
    assert [len(stage) for stage in network.encoder_stages] == [1, 2, 1, 1]
    default = build_network(planned("resenc", 2))
    assert [len(stage) for stage in default.encoder_stages] == list(BLOCKS[:4])
    assert monai_definition(planned("resenc", 3)) is None


def test_the_residual_encoder_has_the_weights_that_its_shape_says():
    """Counted by hand: convolutions without bias, two numbers a feature for each norm, a head with bias."""
    plan = planned("resenc", 3)
    volumes, widths = [math.prod(kernel) for kernel in THIN.kernels], (4, *THIN.features)
    count = volumes[0] * 4 + 2 * 4  # the stem
    for level, blocks in enumerate(THIN.blocks):
        before, width, volume = widths[level], widths[level + 1], volumes[level]
        shortcut = level > 0  # it strides or widens
        count += volume * width * (before + width) + 4 * width + shortcut * (before * width + 2 * width)
        count += (blocks - 1) * (2 * volume * width * width + 4 * width)
    for level in (0, 1, 2):
        coarse, width = THIN.features[level + 1], THIN.features[level]
        count += coarse * width * math.prod(THIN.strides[level + 1]) + volumes[level] * 2 * width * width + 2 * width
    count += 4 * plan.outputs + plan.outputs
    assert sum(weight.numel() for weight in named_weights(build_network(plan)).values()) == count


@pytest.mark.parametrize(
    ("name", "patch", "next_one"),
    [
        ("dynunet", (20, 24, 8), "[24, 24, 8]"),
        ("segresnet", (16, 24, 12), "[16, 24, 16]"),
        ("flexible", (16,) * 3, "32"),
    ],
)
def test_a_patch_that_does_not_halve_is_refused_with_the_next_that_does(name, patch, next_one):
    plan = planned(name, 3).model_copy(update={"patch_size": patch})
    with pytest.raises(ConfigError, match=r"plan\.patch_size") as error:
        build_network(plan)
    assert next_one in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "dynunett"}, "Did you mean dynunet"),
        ({"name": "transformer"}, "package.module:factory"),
        ({"name": "dynunet", "options": {"encoder": "resnet18"}}, "dynunet has no such option"),
        ({"name": "flexible", "options": {"encoder": "resnet19"}}, "resnet18, resnet34"),
    ],
)
def test_what_there_is_not_is_refused_by_name(change, message):
    with pytest.raises(ConfigError, match=r"plan\.network") as error:
        build_network(plan_2d(network=FLAT.model_copy(update=change)))
    assert message in str(error.value)


def test_blocks_need_one_number_a_level():
    with pytest.raises(ValueError, match="blocks needs one entry a level"):
        NetworkPlan(features=(4, 8, 8), kernels=((3, 3),) * 3, strides=((1, 1), (2, 2), (2, 2)), blocks=(1, 2))


@pytest.mark.parametrize(
    ("name", "multiples"),
    [("dynunet", (4, 4, 2)), ("resenc", (4, 4, 2)), ("segresnet", (4, 4, 4)), ("flexible", (32,) * 3)],
)
def test_a_plan_knows_what_its_patch_must_be_a_multiple_of(name, multiples):
    levels = NetworkPlan(
        name=name, features=(4, 8, 8), kernels=((3, 3, 3),) * 3, strides=((1, 1, 1), (2, 2, 1), (2, 2, 2))
    )
    assert levels.factors == multiples
    patch = tuple(2 * factor for factor in multiples)
    network = build_network(plan_3d(network=levels, patch_size=patch)).eval()
    assert network(torch.zeros(1, 1, *patch)).shape[2:] == patch
