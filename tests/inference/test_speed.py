"""Speeds, mirrored views, probabilities in a file, and what a segmenter says of itself."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from plans import plan_3d, untrained_model
from restored import restored_by_torch

import medseg
from medseg.errors import ConfigError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.inference.views import MirroredViews
from medseg.segmenter import Model
from medseg.transforms.prepare import prepare

MIRRORED = (0, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return untrained_model(tmp_path_factory.mktemp("model"), plan_3d(mirror_axes=MIRRORED))


@pytest.fixture(scope="module")
def image():
    voxels = np.random.default_rng(1).normal(50, 9, (1, 30, 26, 40))
    return Image(voxels, Geometry.from_spacing((30, 26, 40), (1, 1.2, 0.9)))


def opened(folder, **settings):
    return medseg.load_model(folder, device="cpu", precision="fp32", backend="torch", **settings)


def whole(model, image, network, overlap):
    """MONAI's window over the whole volume, and all logits restored at once."""
    prepared = prepare(image, model.plan)
    with torch.inference_mode():
        logits = sliding_window_inference(
            prepared.voxels[None], model.plan.patch_size, 2, network, overlap=overlap, mode="gaussian"
        )
    return restored_by_torch(logits[0], prepared.restoration)


def four_views(network):
    def mean(windows):
        views = [network(windows.flip(dims)).flip(dims) for dims in ([], [2], [4], [2, 4])]
        return torch.stack(views).mean(0)

    return mean


@pytest.mark.parametrize(("speed", "overlap"), [("fast", 0.25), ("normal", 0.5), ("best", 0.5)])
def test_each_speed_is_what_it_says(folder, image, speed, overlap):
    model = opened(folder, speed=speed)
    network = four_views(model.backend) if speed == "best" else model.backend
    wanted, shares = whole(model, image, network, overlap)
    found = model.segment(image, probabilities=True)
    assert (found.mask == wanted).mean() > 0.9999
    assert np.abs(found.probabilities.astype(float) - shares.astype(float)).max() < 2e-3
    assert model.settings["overlap"] == overlap
    assert model.settings["mirrored"] == (list(MIRRORED) if speed == "best" else [])


def test_a_network_that_mirrors_with_its_input_is_unchanged_by_views():
    windows = torch.randn(2, 1, 4, 6, 5)
    assert torch.allclose(MirroredViews(lambda seen: seen * 2, (0, 1, 2))(windows), windows * 2)


def test_the_best_speed_is_refused_where_training_mirrored_nothing(tmp_path):
    untrained_model(tmp_path, plan_3d())
    with pytest.raises(ConfigError, match="no axis that training mirrored"):
        opened(tmp_path, speed="best")


def test_portable_has_no_speed(folder):
    with pytest.raises(ConfigError, match="plain MONAI"):
        opened(folder, speed="fast", portable=True)


def test_probabilities_go_to_a_file_and_are_mapped(folder, image, tmp_path):
    model = opened(folder)
    found = model.segment(image, probabilities=tmp_path / "shares.npy")
    assert isinstance(found.probabilities, np.memmap)
    assert (found.probabilities.dtype, found.probabilities.shape) == (np.float16, (2, 30, 26, 40))
    assert np.array_equal(found.probabilities, model.segment(image, probabilities=True).probabilities)
    assert [path.name for path in tmp_path.iterdir()] == ["shares.npy"]


def test_a_failure_leaves_no_file_of_probabilities(folder, image, tmp_path):
    def failing(windows):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        replace(opened(folder), backend=failing).segment(image, probabilities=tmp_path / "shares.npy")
    assert not list(tmp_path.iterdir())


def test_it_tells_a_batch_what_it_is(folder):
    model = opened(folder)
    assert isinstance(model, Model)
    assert (model.channels, model.reading) == (("t1",), model.plan.reading)
    assert json.loads(json.dumps([model.description, model.settings]))[0] == model.plan.model_dump(mode="json")
