"""Post-processing of masks: thresholds, largest components and smallest sizes, against scipy's components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from medseg.errors import ModelFolderError
from medseg.geometry import Geometry
from medseg.inference.postprocessing import postprocess
from medseg.labels import Labels
from medseg.plan import Postprocessing
from medseg.regions.keeping import component_size, kept_components

VOLUME = Geometry.from_spacing((9, 8, 7), (1.0, 2.0, 2.5), "test")  # 5 mm³ a voxel
TWO = Labels.from_config({"a": 3, "b": 7})
STACK = Labels.from_config({"a": 1, "b": 1, "overlapping": True})


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (9, 8, 7), elements=st.integers(0, 9).map(lambda n: n < 2)), st.integers(0, 6), st.booleans())
def test_what_stays_is_what_scipy_finds(inside, voxels, largest):
    numbers, count = ndimage.label(inside, np.ones((3, 3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    stays = sizes >= max(voxels, 1)
    stays[0] = False
    kept = kept_components(inside, VOLUME, largest=largest, min_size=voxels * 0.005)
    if not largest:
        assert np.array_equal(kept, stays[numbers])
        return
    biggest = sizes[1:].max(initial=0)
    assert kept.sum() == (biggest if biggest >= voxels else 0)
    assert ndimage.label(kept, np.ones((3, 3, 3)))[1] <= 1
    assert not (kept & ~inside).any()


def test_sizes_are_in_ml_and_in_pixels_where_there_is_none():
    assert component_size(200, VOLUME) == pytest.approx(1.0)
    assert component_size(200, Geometry.from_spacing((9, 8), (0.5, 0.5), "test")) == 200


def test_one_label_of_several_is_cleaned_and_the_mask_given_stays():
    mask = np.zeros((9, 8, 7), np.uint8)
    mask[:3, :3, :3], mask[7:, 7:, 5:], mask[5, 0, 0], mask[0, 7, 0] = 1, 1, 2, 2
    before = mask.copy()
    result = postprocess(mask, None, TWO, VOLUME, Postprocessing(largest=("a",)))
    assert np.array_equal(mask, before)
    assert (result == 1).sum() == 27
    assert np.array_equal(result == 2, mask == 2)
    gone = postprocess(mask, None, TWO, VOLUME, Postprocessing(min_size={"b": 0.0051}))
    assert not (gone == 2).any()
    assert np.array_equal(gone == 1, mask == 1)


def test_a_threshold_moves_the_border_of_labels_that_overlap_or_of_one():
    shares = np.zeros((2, 9, 8, 7), np.float16)
    shares[0, :4], shares[1, 3:] = 0.4, 0.9
    stack = (shares > 0.5).astype(np.uint8)
    result = postprocess(stack, shares, STACK, VOLUME, Postprocessing(threshold={"a": 0.3}))
    assert np.array_equal(result[0], shares[0] >= 0.3)
    assert np.array_equal(result[1], stack[1])
    one = Labels.from_config({"a": 255})
    indices = postprocess(stack[0], shares[:1], one, VOLUME, Postprocessing(threshold={"a": 0.3}))
    assert np.array_equal(indices, shares[0] >= 0.3)
    narrower = postprocess(stack[1], shares[1:], one, VOLUME, Postprocessing(threshold={"a": 0.95}))
    assert not narrower.any()


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Postprocessing(largest=("c",)), "names c"),
        (Postprocessing(threshold={"a": 0.4}), "exclude one another"),
    ],
)
def test_rules_that_do_not_fit_are_refused(rules, reason):
    with pytest.raises(ModelFolderError, match=reason):
        postprocess(np.zeros((9, 8, 7), np.uint8), None, TWO, VOLUME, rules)
