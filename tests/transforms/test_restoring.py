"""Slabs restored one after another give what restoring the whole logits gives, whatever the grids and the cuts."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from restored import native_logits, restored_by_torch

from medseg.geometry import Geometry
from medseg.transforms.prepare import Restoration
from medseg.transforms.restoring import SlabRestorer


@st.composite
def cases(draw, dims):
    least = 1 if dims == 3 else 2  # torch's antialiasing errs on a picture one pixel wide
    shape = draw(st.tuples(*[st.integers(least, 24)] * dims))
    affine = np.eye(dims + 1)
    if dims == 3:
        affine[:3, :3] = np.eye(3)[draw(st.permutations([0, 1, 2]))] * draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    native = Geometry(shape, affine)
    turn = native.to_canonical
    turned = [shape[axis] for axis in turn.permutation]
    box = []
    for n in turned:
        first = draw(st.integers(0, n - least))
        box.append(slice(first, draw(st.integers(first + least, n))))
    working = draw(st.tuples(*[st.integers(least, 24)] * dims))
    axis = draw(st.integers(0, dims - 1))
    cuts = sorted({0, working[axis], *draw(st.lists(st.integers(0, working[axis]), max_size=5))})
    return Restoration(native, turn, tuple(box), working), axis, cuts, draw(st.integers(0, 999))


def smooth(outputs, shape, seed):
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randn((outputs, *(max(1, n // 4) for n in shape)), generator=rng)
    return torch.nn.functional.interpolate(coarse[None], shape, mode="nearest")[0] * 3 + torch.randn(
        (outputs, *shape), generator=rng
    )


def check(case, outputs, exclusive, with_shares):
    restoration, axis, cuts, seed = case
    logits = smooth(outputs, restoration.working_shape, seed)
    native = native_logits(logits, restoration)
    mask, shares = restored_by_torch(logits, restoration, exclusive=exclusive)
    given = np.full((outputs - exclusive, *restoration.native.shape), 7, np.float16) if with_shares else None
    restorer = SlabRestorer(restoration, outputs, axis, exclusive=exclusive, shares=given)
    for start, stop in pairwise(cuts):
        restorer.add(start, logits.narrow(1 + axis, start, stop - start))
    ours = restorer.finish()
    assert ours.shape == mask.shape
    # Where the two largest are the same but for rounding, either may win.
    close = (native.topk(2, 0).values.diff(dim=0).abs() < 1e-4).sum() if exclusive else (native.abs() < 1e-4).sum()
    assert (ours != mask).sum() <= close
    if with_shares:
        np.testing.assert_allclose(given.astype(np.float32), shares.astype(np.float32), atol=2e-3)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([2, 3]).flatmap(cases), st.integers(2, 4), st.booleans(), st.booleans())
def test_slabs_give_what_the_whole_gives(case, outputs, exclusive, with_shares):
    check(case, outputs, exclusive, with_shares)


@settings(max_examples=20, deadline=None)
@given(cases(3), st.booleans(), st.sampled_from(["C", "F"]))
def test_a_mask_that_is_given_is_written_all_over(case, exclusive, layout):
    restoration, axis, cuts, seed = case
    logits = smooth(3, restoration.working_shape, seed)
    shape = restoration.native.shape if exclusive else (3, *restoration.native.shape)
    mask = np.full(shape, 9, np.uint8, order=layout)
    given_mask = SlabRestorer(restoration, 3, axis, exclusive=exclusive, mask=mask)
    made = SlabRestorer(restoration, 3, axis, exclusive=exclusive)
    for start, stop in pairwise(cuts):
        given_mask.add(start, logits.narrow(1 + axis, start, stop - start))
        made.add(start, logits.narrow(1 + axis, start, stop - start))
    assert given_mask.finish() is mask
    np.testing.assert_array_equal(mask, made.finish())


@pytest.mark.parametrize("outputs", [3, 25])
@pytest.mark.parametrize("working", [(30, 26, 21), (70, 33, 40)])
def test_smooth_labels_are_those_of_the_whole(outputs, working):
    """Most cells agree, as in real masks, and runs and blocks of voxels end within them."""
    native = Geometry.from_spacing((61, 57, 44), (0.8, 0.8, 1.0))
    restoration = Restoration(native, native.to_canonical, tuple(slice(0, n) for n in native.shape), working)
    coarse = torch.randn(1, outputs, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    logits = torch.nn.functional.interpolate(coarse, working, mode="trilinear")[0]
    mask, _ = restored_by_torch(logits, restoration)
    restorer = SlabRestorer(restoration, outputs, 2, exclusive=True)
    for start in range(0, working[2], 9):
        restorer.add(start, logits[..., start : start + 9])
    assert np.count_nonzero(restorer.finish() != mask) <= 1
    assert restorer.finish().transpose(2, 1, 0).flags.c_contiguous  # planes lie one after another in memory
