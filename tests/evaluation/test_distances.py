"""Distances between borders: against MONAI, published figures and brute force; on empty masks, in mm and in pixels."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

import medseg
from medseg.errors import ConfigError, GridMismatchError
from medseg.evaluation import (
    DISTANCES,
    SurfaceDistances,
    evaluate_pairs,
    label_distances,
    score_case,
    scores_table,
    summarise,
    surface_distances,
)
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import write_mask
from medseg.labels import IGNORE_INDEX, Labels

ONE = Labels.from_config({"lesion": 1, "ignore": 9})
TWO = Labels.from_config({"liver": 1, "tumour": 2})
SHAPES = arrays.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7)
SPACINGS = st.lists(st.sampled_from([0.1, 0.5859, 1.0, 3.3]), min_size=3, max_size=3)


def blobs(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two masks, dense ones or sparse ones, that never are empty."""
    rng = np.random.default_rng(seed)
    masks = rng.random((2, *shape)) < rng.choice([0.05, 0.5, 0.9])
    for mask in masks:
        mask.flat[rng.integers(mask.size)] = True
    return masks[0], masks[1]


def measured(found: SurfaceDistances) -> tuple[float, ...]:
    return found.hd95, found.assd, found.nsd, found.hd, found.masd


def brute_force(one: np.ndarray, other: np.ndarray, affine: np.ndarray, tolerance: float) -> tuple[float, ...]:
    """The definitions, word by word: all distances between all border voxels in world space."""
    points = [np.argwhere(m & ~binary_erosion(m)) @ affine[:-1, :-1].T + affine[:-1, -1] for m in (one, other)]
    every = cdist(*points)
    there, back = every.min(axis=1), every.min(axis=0)
    both = np.concatenate([there, back])
    means = (there.mean() + back.mean()) / 2
    far = max(np.percentile(there, 95), np.percentile(back, 95)), both.mean(), (both <= tolerance).mean()
    return *far, both.max(), means


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI calls itself so
@settings(max_examples=60, deadline=None)
@given(SHAPES, SPACINGS, st.integers(0, 2**31), st.sampled_from([0.05, 0.7, 1.0, 2.5]))
def test_every_distance_is_monais(shape, spacing, seed, tolerance):
    one, other = blobs(shape, seed)
    spacing = spacing[: len(shape)]
    found = surface_distances(one, other, Geometry.from_spacing(shape, spacing), tolerance)
    pair = [torch.from_numpy(mask)[None, None] for mask in (one, other)]
    expected = (
        compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=spacing),
        compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=spacing),
        # MONAI takes no account of what fractions of a millimetre add when they are rounded
        compute_surface_dice(*pair, [tolerance + 1e-6], include_background=True, spacing=spacing),
        compute_hausdorff_distance(*pair, include_background=True, spacing=spacing),
    )
    assert (found.hd95, found.assd, found.nsd, found.hd) == pytest.approx(
        [float(value) for value in expected], rel=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_oblique_and_sheared_grids_are_measured_in_world_space(seed):
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3] = rng.normal(size=(3, 4)) * [1, 1, 1, 100] + np.eye(3, 4)
    one, other = blobs((6, 5, 4), seed)
    found = surface_distances(one, other, Geometry(one.shape, affine), 0.8)
    assert measured(found) == pytest.approx(brute_force(one, other, affine, 0.8))


@given(st.integers(0, 2**31), st.permutations([0, 1, 2]))
def test_swapped_masks_and_turned_axes_are_as_far_apart(seed, order):
    one, other = blobs((5, 6, 4), seed)
    spacing = np.array([0.7, 1.0, 2.0])
    found = surface_distances(one, other, Geometry.from_spacing(one.shape, spacing), 1)
    turned = [np.flip(mask.transpose(order), 1) for mask in (other, one)]
    again = surface_distances(*turned, Geometry.from_spacing(turned[0].shape, spacing[list(order)]), 1)
    assert measured(again) == pytest.approx(measured(found))


def test_the_figures_of_metrics_reloaded_are_met(test_data: Path):
    cases = json.loads((test_data / "metrics_oracles/metrics_reloaded/cases.json").read_text())["cases"]
    met = set()
    for case in cases:
        masks = [_boxes(case["shape"], case[side]) for side in ("pred", "ref") if side in case]
        if len(masks) < 2:
            continue
        grid = Geometry.from_spacing(case["shape"], None)
        found = {n: surface_distances(*masks, grid, float(n)) for n in (1, 2)}
        values = {"hausdorff_95": found[1].hd95, "assd": found[1].assd, "nsd": found[1].nsd}
        values |= {"nsd_1": found[1].nsd, "nsd_2": found[2].nsd, "hausdorff": found[1].hd, "masd": found[1].masd}
        for name in values.keys() & case.keys():
            assert values[name] == pytest.approx(case[name], abs=case["atol"]), (case["id"], name)
            met.add(name)
    assert met == {"hausdorff", "hausdorff_95", "assd", "masd", "nsd", "nsd_1", "nsd_2"}


def test_points_and_empty_masks_measure_as_deepminds_tests_say_but_for_infinity(test_data: Path):
    cases = json.loads((test_data / "metrics_oracles/surface_distance/cases.json").read_text())["cases"]
    for case in cases:
        if "half_volumes" in case["id"]:
            continue  # averages weighted by area
        masks = [_boxes(case["shape"], case[side]) for side in ("pred", "gt")]
        found = surface_distances(*masks, Geometry.from_spacing(case["shape"], case["spacing"]), 1)
        if all(mask.any() for mask in masks):
            assert found.hd95 == case["hausdorff_95"]
        else:
            assert math.isnan(found.hd95)
            assert math.isnan(found.assd)
            assert found.nsd == pytest.approx(float(case["surface_dice_1mm"]), nan_ok=True)


def _boxes(shape: list[int], boxes: list[list[list[int]]]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[tuple(slice(*side) for side in box)] = True
    return mask


def test_tenths_of_a_millimetre_reach_a_tolerance_of_one():
    one, other = np.zeros((2, 1, 20), bool)
    one[0, 3] = other[0, 13] = True
    grid = Geometry.from_spacing(one.shape, [1, 0.1])
    assert surface_distances(one, other, grid, 1.0).nsd == 1
    assert surface_distances(one, other, grid, 0.99).nsd == 0


def test_what_lies_outside_the_volume_is_background():
    whole, part = np.ones((2, 5, 5), bool)
    part[2, 2] = False
    assert surface_distances(whole, part, Geometry.from_spacing((5, 5), None), 0.5).nsd == (16 + 16) / (16 + 20)


def test_unjudged_voxels_are_background_in_both_masks():
    indices = np.zeros((1, 12), np.uint8)
    prediction, reference = indices.copy(), indices.copy()
    prediction[0, 2:11], reference[0, 2:5], reference[0, 5:] = 1, 1, IGNORE_INDEX
    (found,) = label_distances(prediction, reference, ONE, Geometry.from_spacing((1, 12), None), 0.5)
    assert found == SurfaceDistances(0, 0, 1, 0, 0)
    reference[:] = IGNORE_INDEX
    (found,) = label_distances(prediction, reference, ONE, Geometry.from_spacing((1, 12), None), 0.5)
    assert math.isnan(found.nsd)


def test_labels_are_measured_one_by_one_whether_they_overlap_or_not():
    rng = np.random.default_rng(1)
    prediction, reference = rng.integers(0, 3, (2, 8, 7, 5), dtype=np.uint8)
    grid = Geometry.from_spacing(prediction.shape, [1, 2, 3])
    found = label_distances(prediction, reference, TWO, grid, 1)
    assert found == [surface_distances(prediction == n, reference == n, grid, 1) for n in (1, 2)]
    stacks = [np.stack([mask == 1, mask == 2]).astype(np.uint8) for mask in (prediction, reference)]
    overlapping = Labels.from_config({"liver": 1, "tumour": 2, "overlapping": True})
    assert label_distances(*stacks, overlapping, grid, 1) == found


def test_masks_of_two_sizes_are_refused():
    one, other = np.ones((4, 4), bool), np.ones((1, 4), bool)
    with pytest.raises(GridMismatchError, match="Measure masks on one grid"):
        surface_distances(one, other, Geometry.from_spacing((4, 4), None), 1)


def scored(case: str, prediction: np.ndarray, reference: np.ndarray, spacing: list[float] | None) -> list[dict]:
    return score_case(prediction, reference, TWO, case, geometry=Geometry.from_spacing(prediction.shape, spacing))


def boxes(*values: int) -> np.ndarray:
    """A row of the labels 1 and 2, or without one of them."""
    mask = np.zeros((4, 10), np.uint8)
    for value in values:
        mask[:, 4 * value - 3 : 4 * value - 1] = value
    return mask


def test_pixels_never_stand_in_millimetre_columns():
    near = np.roll(boxes(1, 2), 1, axis=1)
    known, unknown = (scored("a", near, boxes(1, 2), spacing)[0] for spacing in ([1.0, 2.0], None))
    assert [known[name] for name in DISTANCES["mm"]] == [2, 1, 0.5, 2, 1]
    assert [unknown[name] for name in DISTANCES["px"]] == [1, 0.5, 1, 1, 0.5]
    assert all(math.isnan(known[name]) for name in DISTANCES["px"])
    assert all(math.isnan(unknown[name]) for name in DISTANCES["mm"])
    assert (known["unit"], unknown["unit"]) == ("mm", "px")


def test_the_summary_counts_the_cases_that_have_no_distance():
    rows = scored("same", boxes(1, 2), boxes(1, 2), [1, 2])
    rows += scored("missed", boxes(1), boxes(1, 2), [1, 2])
    rows += scored("neither", boxes(1), boxes(1), [1, 2])
    summary = summarise(scores_table(rows)).set_index(["label", "metric"])
    counts = ["mean", "n", "n_empty", "n_one_empty"]
    assert summary.loc["tumour", "hd95_mm"][counts].tolist() == [0, 1, 1, 1]
    assert summary.loc["tumour", "nsd"][counts].tolist() == [0.5, 2, 1, 0]
    assert summary.loc["tumour", "dice"][counts].tolist() == [0.5, 2, 1, 0]
    assert summary.loc["(mean of labels)", "hd95_mm"][counts].tolist() == [0, 2, 0, 1]
    assert summary.loc["(mean of labels)", "nsd"][counts].tolist() == pytest.approx([2.5 / 3, 3, 0, 0])
    assert not set(DISTANCES["px"]) & set(summary.index.get_level_values("metric"))


def test_cases_of_both_units_are_summarised_apart():
    rows = scored("a", boxes(1), boxes(1), [1, 2]) + scored("b", boxes(1), boxes(1), None)
    summary = summarise(scores_table(rows)).set_index(["label", "metric"])
    assert summary.loc["liver", "dice"]["n"] == 2
    assert summary.loc["liver", "hd95_mm"]["n"] == summary.loc["liver", "hd95_px"]["n"] == 1
    assert summary.loc["tumour", "hd95_px"]["n_empty"] == 1


def test_files_are_measured_on_their_own_grid_with_the_tolerance_that_was_asked_for(tmp_path: Path):
    for name, shift in (("prediction", 1), ("reference", 0)):
        mask = np.zeros((9, 9, 9), np.uint8)
        mask[2 + shift : 5 + shift, 2:6, 2:6] = 1
        grid = Geometry.from_spacing(mask.shape, [1.5, 1, 1])
        write_mask(tmp_path / f"{name}.nii.gz", Segmentation(mask, grid, ONE))
    paths = tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz"
    close, wide = (medseg.evaluate(*paths, ONE, nsd_tolerance=tolerance) for tolerance in (1.4, 1.5))
    assert close.mean("lesion", "hd95_mm") == 1.5
    assert close.mean("lesion", "nsd") < wide.mean("lesion", "nsd") == 1
    assert wide.to_dict()["nsd_tolerance"] == 1.5
    with pytest.raises(ConfigError, match="0 or more"):
        evaluate_pairs([("c", *paths)], ONE, nsd_tolerance=math.nan)
