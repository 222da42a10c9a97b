"""nnU-Net's windows: equal steps of at most half a patch, and a Gaussian in float16."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medseg.inference.nnunet.windows import SliceBySlice, nnunet_tiling, windows_at_once


def test_steps_are_equal_and_narrower_where_need_be():
    assert nnunet_tiling((110, 64, 65), (64, 64, 64), 1).starts == ((0, 23, 46), (0,), (0, 1))


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(2, 40)), min_size=2, max_size=3))
def test_windows_reach_from_edge_to_edge_by_half_a_patch_at_most(axes):
    shape, patch = zip(*axes, strict=True)
    tiling = nnunet_tiling(shape, patch, 1)
    for n, side, starts in zip(shape, patch, tiling.starts, strict=True):
        assert starts[0] == 0
        assert starts[-1] == max(n, side) - side
        assert max(np.diff(starts), default=0) <= side / 2 + 0.5


def test_weights_fall_off_as_a_gaussian_and_are_never_0():
    weights = nnunet_tiling((40, 60), (40, 60), 1).weights.numpy()
    x, y = np.ogrid[:40, :60]
    expected = 10 * np.exp(-((x - 20) ** 2) / (2 * 5.0**2) - (y - 30) ** 2 / (2 * 7.5**2))
    assert weights.dtype == np.float32
    assert weights.max() == 10
    # SciPy cuts its Gaussian off at four standard deviations; float16 has ten digits of two.
    assert np.allclose(weights, expected, rtol=2e-3, atol=5e-3)
    assert weights.min() > 0


def test_a_volume_is_seen_slice_by_slice_by_a_network_of_slices():
    tiling = nnunet_tiling((3, 10, 12), (8, 8), 2)
    assert tiling.patch == (1, 8, 8)
    assert tiling.starts == ((0, 1, 2), (0, 2), (0, 4))
    windows = torch.rand(2, 1, 1, 8, 8)
    assert torch.equal(SliceBySlice(lambda images: images + 1)(windows), windows + 1)


@pytest.mark.parametrize(("patch", "number"), [((512, 512), 1), ((40, 56, 40), 2), ((8, 8), 8), ((128,) * 3, 1)])
def test_small_windows_go_to_the_network_together(patch, number):
    assert windows_at_once(patch) == number
