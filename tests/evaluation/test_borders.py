"""The area-weighted definition of borders: DeepMind's own numbers, areas of known bodies, and brute force."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.evaluation import surface_distances
from medseg.evaluation.borders import directed_distances
from medseg.geometry import Geometry


def boxes(shape: list[int], parts: list[list[list[int]]]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for part in parts:
        mask[tuple(slice(*side) for side in part)] = True
    return mask


def test_every_number_of_surface_distance_is_met_but_for_its_words_on_empty_masks(test_data: Path):
    cases = json.loads((test_data / "metrics_oracles/surface_distance/cases.json").read_text())["cases"]
    full = 0
    for case in cases:
        said, true = (boxes(case["shape"], case[side]) for side in ("pred", "gt"))
        grid = Geometry.from_spacing(case["shape"], case["spacing"])
        found = surface_distances(said, true, grid, 1, "surface-distance")
        if not (said.any() and true.any()):
            assert math.isnan(found.hd95)
            assert found.nsd == pytest.approx(float(case["surface_dice_1mm"]), nan_ok=True)
            continue
        full += 1
        sides = directed_distances(true, said, grid, "surface-distance")
        assert [side.mean for side in sides] == pytest.approx(case["average_surface_distance"], abs=1e-3)
        near = [side.within(1) / side.weight for side in sides]
        assert near == pytest.approx(case["surface_overlap_1mm"], abs=1e-3)
        expected = case["hausdorff_100"], case["hausdorff_95"], case["surface_dice_1mm"]
        assert (found.hd, found.hd95, found.nsd) == pytest.approx(expected, abs=1e-3), case["id"]
        assert found.masd == pytest.approx(np.mean(case["average_surface_distance"]), abs=1e-3)
    assert full == 3


def test_areas_are_those_of_bodies_that_one_knows():
    places = np.ogrid[-20:21, -20:21, -20:21]
    ball = sum((axis * 0.5) ** 2 for axis in places) < 8**2
    both = directed_distances(ball, ball, Geometry.from_spacing(ball.shape, (0.5,) * 3), "surface-distance")
    assert both[0].weight == pytest.approx(4 * math.pi * 8**2, rel=0.1)  # a stair is longer than a slope
    slab = np.ones((4, 5), bool)
    (edge, _) = directed_distances(slab, slab, Geometry.from_spacing((4, 5), (2, 1)), "surface-distance")
    assert edge.weight == pytest.approx(2 * (3 * 2 + 4 * 1) + 4 * math.hypot(2, 1) / 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.5, 1.0, 2.2]))
def test_percentiles_and_shares_are_those_of_sorted_elements(seed, tolerance):
    rng = np.random.default_rng(seed)
    one, other = rng.random((2, 5, 6, 4)) < 0.3
    one[0, 0, 0] = other[4, 5, 3] = True
    grid = Geometry.from_spacing(one.shape, (1, 0.7, 2))
    sides = directed_distances(one, other, grid, "surface-distance")
    near = weight = 0.0
    far = []
    for side in sides:
        assert side.weights is not None
        pairs = sorted(zip(side.distances, side.weights, strict=True))
        reached = np.cumsum([area for _, area in pairs]) / sum(area for _, area in pairs)
        far.append(next((d for (d, _), share in zip(pairs, reached, strict=True) if share >= 0.95), pairs[-1][0]))
        near += sum(area for d, area in pairs if d <= tolerance + 1e-6)
        weight += sum(area for _, area in pairs)
    found = surface_distances(one, other, grid, tolerance, "surface-distance")
    assert found.nsd == pytest.approx(near / weight)
    assert found.hd95 == pytest.approx(max(far))


@given(st.integers(1, 254))
def test_a_mask_and_its_surroundings_have_one_surface(code):
    cell = np.zeros((4, 4, 4), bool)
    cell[1:3, 1:3, 1:3] = np.array([code >> bit & 1 for bit in range(8)], bool).reshape(2, 2, 2)
    other = ~cell
    grid = Geometry.from_spacing(cell.shape, (1, 2, 3))
    inside, outside = (directed_distances(mask, mask, grid, "surface-distance")[0].weight for mask in (cell, other))
    shell = np.ones((4, 4, 4), bool)
    assert outside - inside == pytest.approx(directed_distances(shell, shell, grid, "surface-distance")[0].weight)
