"""The streaming window gives what MONAI's gives, slab by slab, and holds no more than a band."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.utils import compute_importance_map
from monai.inferers import sliding_window_inference

from medseg.errors import InputError
from medseg.inference.streaming import stream_logits
from medseg.inference.windows import Tiling, monai_tiling, streaming_axis


@dataclass
class Volume:
    """A prepared volume that counts how its planes are read."""

    voxels: torch.Tensor

    def __post_init__(self):
        self.shape, self.channels, self.reads = tuple(self.voxels.shape[1:]), len(self.voxels), []

    def read(self, axis, start, stop):
        self.reads.append((start, stop))
        assert 0 <= start < stop <= self.shape[axis]
        return self.voxels.narrow(axis + 1, start, stop - start)


def network(windows):
    """Answers that depend on where in the window a voxel lies, as those of a trained network do."""
    dims = windows.ndim - 2
    place = sum(torch.linspace(-1, 1, n).reshape(-1, *[1] * (dims - 1 - i)) for i, n in enumerate(windows.shape[2:]))
    mean = windows.mean(1, keepdim=True)
    return torch.cat([mean + place, mean * place, torch.sin(3 * mean) - place], dim=1)


def streamed(volume, tiling, axis, net=network, **options):
    slabs = list(stream_logits(net, volume, tiling, axis, **options))
    assert [slab.stop for slab in slabs[:-1]] == [slab.start for slab in slabs[1:]]
    assert (slabs[0].start, slabs[-1].stop) == (0, volume.shape[axis])
    return torch.cat([slab.logits for slab in slabs], dim=axis + 1)


@st.composite
def volumes(draw):
    dims = draw(st.sampled_from([2, 3]))
    shape = draw(st.tuples(*[st.integers(1, 33)] * dims))
    patch = draw(st.tuples(*[st.integers(1, 12)] * dims))
    torch.manual_seed(draw(st.integers(0, 9)))
    return torch.randn(draw(st.integers(1, 2)), *shape), patch, draw(st.integers(0, dims - 1))


@settings(max_examples=50, deadline=None)
@given(volumes(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9]), st.integers(1, 5))
def test_the_logits_are_those_of_monai(case, overlap, batch):
    voxels, patch, axis = case
    sizes = []

    def counting(windows):
        sizes.append(len(windows))
        return network(windows)

    with torch.inference_mode():
        wanted = sliding_window_inference(voxels[None], patch, batch, counting, overlap=overlap, mode="gaussian")[0]
    of_monai, sizes = sizes, []
    tiling = monai_tiling(voxels.shape[1:], patch, overlap, batch)
    volume = Volume(voxels)
    found = streamed(volume, tiling, axis, counting)
    assert found.dtype == torch.float32
    assert (found - wanted).abs().max() <= 1e-4
    assert sizes == of_monai  # batches are filled across rows; only the last may be smaller
    assert [n for start, stop in volume.reads for n in range(start, stop)] == list(range(volume.shape[axis]))


@pytest.mark.parametrize("patch", [(8,), (5, 7), (24, 16, 32)])
def test_the_weights_are_those_of_monai(patch):
    weights = monai_tiling(patch, patch, 0.5, 1).weights
    assert torch.allclose(weights, compute_importance_map(patch, mode="gaussian"), rtol=1e-6, atol=0)


def test_a_slab_leaves_before_the_planes_behind_its_band_are_read():
    volume = Volume(torch.randn(1, 8, 8, 100))
    slabs = stream_logits(network, volume, monai_tiling(volume.shape, (8, 8, 8), 0.5, 1), 2)
    for slab in slabs:
        assert volume.reads[-1][1] <= slab.start + 8 + 4  # its band, and the row that the next window needs
        slab.logits.add_(1)  # it belongs to whom it was given


def test_windows_move_along_the_axis_with_most_patches():
    assert streaming_axis((100, 100, 120), (50, 20, 48)) == 1
    assert streaming_axis((40, 30), (8, 8)) == 0


def test_what_is_air_is_answered_once():
    voxels = torch.zeros(1, 16, 16, 64)
    voxels[:, :, :, 20:30] = torch.randn(16, 16, 10)
    volume, seen = Volume(voxels), []

    def counting(windows):
        seen.extend(bool(window.any()) for window in windows)
        return network(windows)

    tiling = monai_tiling(volume.shape, (8, 8, 8), 0.5, 4)
    whole = streamed(volume, tiling, 2, counting)
    everywhere = len(seen)
    seen.clear()

    def in_air(place):
        return not voxels[0, :, :, place[2] : place[2] + 8].any()

    assert torch.equal(streamed(volume, tiling, 2, counting, skip=in_air), whole)
    assert seen.count(False) == 1
    assert len(seen) < 0.4 * everywhere


def test_a_volume_of_air_alone_leaves_slab_by_slab():
    volume = Volume(torch.zeros(1, 4, 4, 40))
    tiling = monai_tiling(volume.shape, (4, 4, 8), 0.5, 16)
    assert len(list(stream_logits(network, volume, tiling, 2, skip=lambda place: True))) > 5


def test_windows_that_leave_a_gap_are_refused():
    with pytest.raises(ValueError, match="gap"):
        Tiling((4,), ((0, 5),), torch.ones(4), 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_no_background(value):
    volume, tiling = Volume(torch.rand(1, 20, 12)), monai_tiling((20, 12), (8, 8), 0.5, 2)

    def broken(windows):
        logits = network(windows)
        logits[-1, 0, 3, 3] = value
        return logits

    with pytest.raises(InputError, match="not finite"):
        streamed(volume, tiling, 0, broken)
