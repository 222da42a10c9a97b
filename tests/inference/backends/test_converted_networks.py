"""Every network, converted for every program, gives the logits that PyTorch gives."""

import pytest
import torch
from our_networks import pointwise
from plans import plan_2d, plan_3d

from medseg.inference.backends.converters import CONVERTERS
from medseg.inference.backends.original import Original
from medseg.inference.backends.quietly import quietly
from medseg.networks.building import build_network
from medseg.plan import NetworkPlan

pytest.importorskip("openvino", reason="needs the extra openvino")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

THIN = NetworkPlan(
    features=(4, 6, 8), kernels=((3, 3, 1), (3, 3, 3), (3, 3, 3)), strides=((1, 1, 1), (2, 2, 1), (2, 2, 2))
)
FLAT = NetworkPlan(features=(4, 6, 8), kernels=((3, 3), (1, 3), (3, 3)), strides=((1, 1), (1, 2), (2, 2)))
PLANS = {
    "dynunet": plan_3d(patch_size=(16, 12, 8), network=THIN),
    "dynunet-2d-two-channels": plan_2d(channels=("a", "b"), patch_size=(8, 24), network=FLAT),
    "resenc": plan_3d(patch_size=(16, 12, 8), network=THIN.model_copy(update={"name": "resenc", "blocks": (1, 1, 1)})),
    "resenc-2d": plan_2d(patch_size=(8, 24), network=FLAT.model_copy(update={"name": "resenc", "blocks": (1, 1, 1)})),
    "segresnet": plan_3d(patch_size=(16, 12, 8), network=THIN.model_copy(update={"name": "segresnet"})),
    "segresnet-2d": plan_2d(patch_size=(8, 24), network=FLAT.model_copy(update={"name": "segresnet"})),
    "flexible-2d": plan_2d(patch_size=(64, 32), network=FLAT.model_copy(update={"name": "flexible"})),
    "flexible-3d": plan_3d(patch_size=(32, 32, 32), network=THIN.model_copy(update={"name": "flexible"})),
    "batch norm": plan_3d(network=THIN.model_copy(update={"norm": "batch", "activation": "gelu"})),
    "group norm": plan_2d(network=FLAT.model_copy(update={"norm": "group", "activation": "swish"})),
    "ensemble": plan_3d(patch_size=(8, 12, 8), network=THIN, members=3),
    "overlapping": plan_3d(
        network=THIN, patch_size=(8, 12, 8), labels={"whole": [1, 2], "core": 2, "overlapping": True}
    ),
}


def randomised(network):
    """With no weight at 0 or 1, where a fresh network has many: nothing may hide behind them."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if tensor.is_floating_point():
                noise = 0.2 * torch.rand(tensor.shape, generator=generator)
                tensor.add_(noise if "running" in name else noise - 0.1)
    return network.eval()


def differs(converter, network, window, folder):
    """Largest difference between the logits of both, relative to the largest logit where that is above 1."""
    original = Original(network, window)
    with quietly():
        CONVERTERS[converter].convert(original, folder)
    run = CONVERTERS[converter].load(folder, window, "fp32")
    windows = torch.randn(3, *window, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(windows)
    found = run(windows)
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    kept = found.clone()
    run(windows.flip(0))
    assert torch.equal(found, kept)  # what was returned is the caller's
    return float((found - expected).abs().max() / max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize("converter", CONVERTERS)
@pytest.mark.parametrize("name", PLANS)
def test_it_gives_the_logits_of_torch(name, converter, tmp_path):
    plan = PLANS[name]
    network = randomised(build_network(plan))
    assert differs(converter, network, (len(plan.channels), *plan.patch_size), tmp_path) <= 1e-4


@pytest.mark.parametrize("converter", CONVERTERS)
def test_an_exported_program_of_somebodys_own_network_converts_too(converter, tmp_path):
    network = randomised(pointwise(plan_2d()))
    program = torch.export.load(saved(Original(network, (1, 32, 32)), tmp_path / "model.pt2")).module()
    (tmp_path / "converted").mkdir()
    assert differs(converter, program, (1, 32, 32), tmp_path / "converted") <= 1e-4


def saved(original, path):
    torch.export.save(original.exported(), path)
    return path
