"""An encoder starts from a local file; its stem takes the channels that there are."""

import re

import pytest
import torch
from monai.networks.nets import EfficientNetBN, ResNet
from plans import plan_2d, plan_3d
from safetensors.torch import save_file

from medseg.errors import ConfigError
from medseg.networks.building import build_network
from medseg.networks.encoder_weights import start_encoder
from medseg.plan import Plan


def planned(path, encoder: str = "resnet18", channels: int = 1) -> Plan:
    plan = plan_2d(patch_size=(64, 64), channels=tuple("abcd"[:channels]))
    options = {"encoder": encoder, "weights": str(path)}
    return plan.model_copy(update={"network": plan.network.model_copy(update={"name": "flexible", "options": options})})


@pytest.fixture(scope="module")
def classifier() -> ResNet:
    """A ResNet-18 as torchvision names and shapes it: three channels, convolved shortcuts without bias."""
    torch.manual_seed(0)
    return ResNet("basic", [2, 2, 2, 2], [64, 128, 256, 512], 2, 3, 7, 2, bias_downsample=False, num_classes=10).eval()


def started(plan: Plan):
    network = build_network(plan)
    start_encoder(network, plan)
    return network.encoder.eval()


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_a_classifiers_features_are_the_encoders(classifier, ending, tmp_path):
    path = tmp_path / f"resnet18.{ending}"
    (save_file if ending == "safetensors" else torch.save)(classifier.state_dict(), path)
    images = torch.rand(2, 3, 64, 64)
    deepest = started(planned(path, channels=3))(images)[-1]
    assert torch.allclose(classifier.fc(deepest.mean((2, 3))), classifier(images), atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_grey_image_is_seen_as_in_three_channels(classifier, channels, tmp_path):
    torch.save({"state_dict": {f"module.{k}": v for k, v in classifier.state_dict().items()}}, tmp_path / "a.pth")
    grey = torch.rand(1, 1, 64, 64)
    answer = started(planned(tmp_path / "a.pth", channels=channels))(grey.expand(-1, channels, -1, -1))
    expected = classifier.act(classifier.bn1(classifier.conv1(grey.expand(-1, 3, -1, -1))))
    assert torch.allclose(answer[0], expected, atol=1e-4)


def test_efficientnet_takes_the_names_of_its_first_pytorch_release(tmp_path):
    source = EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=3)
    counted = {re.sub(r"_blocks\.\d+\.", "_blocks.", name): tensor for name, tensor in source.state_dict().items()}
    torch.save(counted, tmp_path / "b0.pth")
    encoder = started(planned(tmp_path / "b0.pth", "efficientnet-b0", channels=3))
    for name, weight in encoder.named_parameters():
        if not name.startswith(("_fc", "_conv_head", "_bn1")):
            assert torch.equal(weight, source.get_parameter(name))


def test_weights_of_another_encoder_are_refused_by_the_first_that_lacks(classifier, tmp_path):
    torch.save(classifier.state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(ConfigError, match=r"does not fit.*weights of the encoder lack"):
        started(planned(tmp_path / "resnet18.pth", "resnet34"))
    network = planned(tmp_path / "resnet18.pth").network.model_copy(
        update={"kernels": ((3, 3, 3),) * 3, "strides": ((1, 1, 1), (2, 2, 2), (2, 2, 2))}
    )
    volume = plan_3d(patch_size=(32, 32, 32), network=network)
    with pytest.raises(ConfigError, match=r"is \(64, 3, 7, 7\), not \(64, 1, 7, 7, 7\)"):
        started(volume)


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "text.pth").write_text("weights")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    for name, message in (("text.pth", "cannot be read"), ("none.pt", "cannot be read"), ("list.pth", "no weights")):
        with pytest.raises(ConfigError, match=message):
            started(planned(tmp_path / name))


def test_nothing_is_read_where_no_file_is_named():
    plan = planned("")
    unnamed = plan.network.model_copy(update={"options": {"encoder": "resnet18"}})
    start_encoder(build_network(plan), plan.model_copy(update={"network": unnamed}))
