"""Which device a run gets, and what is refused."""

import pytest
import torch

from medseg.device import open_compute, pick_device
from medseg.errors import ConfigError


def test_the_device_asked_for_is_taken():
    assert pick_device("cpu") == torch.device("cpu")
    assert open_compute("cpu", "fp32").device == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:99", "cuda:x", "cpu:1", ""])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(wanted):
    with pytest.raises(ConfigError, match=r"no device .* here, expected .*cpu"):
        pick_device(wanted)
