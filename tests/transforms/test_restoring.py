"""Slabs restored one after another give what restoring the whole logits gives, whatever the grids and the cuts."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.geometry import Geometry
from medseg.transforms.prepare import Restoration
from medseg.transforms.resize import resize
from medseg.transforms.restoring import SlabRestorer


def whole(logits, restoration, exclusive):
    """The oracle, all at once by torch's own interpolation: logits on the native grid, mask, shares."""
    kept = tuple(side.stop - side.start for side in restoration.box)
    native = resize(logits, kept)
    found = native.argmax(0) if exclusive else native >= 0
    shares = native.softmax(0)[1:] if exclusive else native.sigmoid()
    turned = tuple(restoration.native.shape[axis] for axis in restoration.turn.permutation)

    def placed(inside):
        full = np.zeros((*inside.shape[: inside.ndim - len(kept)], *turned), inside.dtype)
        full[(..., *restoration.box)] = inside
        return restoration.turn.undo(full)

    return native, placed(found.to(torch.uint8).numpy()), placed(shares.half().numpy())


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
    native, mask, shares = whole(logits, restoration, exclusive)
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
