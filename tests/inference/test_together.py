"""Small images of several cases in one call of the network: the same masks, and a bad one is alone in failing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from plans import plan_2d, untrained_model

import medseg
from medseg.geometry import Geometry
from medseg.image import Image


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    plan = plan_2d(longest_side=32, patch_size=(32, 32))
    return medseg.load_model(untrained_model(tmp_path_factory.mktemp("model"), plan), precision="fp32", backend="torch")


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    shapes = [(60, 40), (32, 32), (31, 57), (200, 90), (64, 64)]
    return [Image(rng.integers(0, 4000, (1, *shape)).astype(np.uint16), _grid(shape)) for shape in shapes]


def _grid(shape):
    return Geometry.from_spacing(shape, None)


class Counting:
    """A backend that counts its calls."""

    def __init__(self, backend):
        self.backend, self.asked = backend, []
        self.name, self.precision, self.why = backend.name, backend.precision, backend.why

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(windows))
        return self.backend(windows)


def test_together_as_singly_in_one_call(model, images):
    counting = Counting(model.backend)
    together = replace(model, backend=counting).segment_several(images)
    assert counting.asked == [len(images)]
    for image, found in zip(images, together, strict=True):
        alone = model.segment(image)
        assert found.mask.shape == image.geometry.shape
        assert (found.mask != alone.mask).mean() < 1e-3
        assert found.notes == alone.notes


def test_images_larger_than_a_window_go_alone(model, images):
    plan = model.plan.model_copy(update={"longest_side": 48})
    counting = Counting(model.backend)
    larger = replace(model, plan=plan, backend=counting)
    assert larger.together == 1
    for image, found in zip(images, larger.segment_several(images), strict=True):
        np.testing.assert_array_equal(found.mask, larger.segment(image).mask)


def test_a_failed_batch_is_asked_singly_so_that_the_guilty_alone_fails(model, images):
    volume = Image(np.zeros((1, 8, 8, 8), np.uint8), Geometry.from_spacing((8, 8, 8), None))
    found = model.segment_several([images[0], volume, images[1]])
    assert isinstance(found[1], medseg.MedsegError)
    np.testing.assert_array_equal(found[2].mask, model.segment(images[1]).mask)

    class OneOfThem(Counting):
        def __call__(self, windows):
            self.asked.append(len(windows))
            if len(windows) > 1 or self.asked.count(1) == 2:
                raise RuntimeError("fatal")
            return self.backend(windows)

    found = replace(model, backend=OneOfThem(model.backend)).segment_several(images[:3])
    assert [isinstance(one, Exception) for one in found] == [False, True, False]
