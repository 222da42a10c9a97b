"""Lesions matched by three rules: picai_eval's numbers, panoptic quality by brute force, and what changes no score."""

import json
import math
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.evaluation import Scoring, detections, lesions_of, match_lesions, scores_of_case, scores_table
from medseg.evaluation.lesion_rows import confidences_of, lesion_rows, lesions_table
from medseg.geometry import Geometry
from medseg.labels import Labels

LESION = Labels.from_config({"lesion": 1})
GRID = Geometry.from_spacing((1, 20), (1, 2))


def row(*runs: tuple[int, int]) -> np.ndarray:
    """A row of 20 pixels with boxes from one to the other."""
    mask = np.zeros((1, 20), bool)
    for start, stop in runs:
        mask[0, start:stop] = True
    return mask


def matched(prediction: np.ndarray, reference: np.ndarray, grid: Geometry = GRID, **how: object):
    return match_lesions(lesions_of(prediction), lesions_of(reference), grid, Scoring(**how))


def volume(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj).astype(np.uint8)


@pytest.fixture
def picai(test_data: Path) -> tuple[list, dict]:
    """Each case's match, confidences and grid; and what picai_eval found."""
    root = test_data / "metrics_oracles" / "picai_eval"
    expected = json.loads((root / "output-expected" / "metrics-full-expected.json").read_text())
    found = []
    for case in expected["lesion_results"]:
        said, true = (volume(root / "test-maps" / f"{case}_{side}.nii.gz") for side in ("detection_map", "label"))
        lesions, grid = lesions_of(said > 0), Geometry.from_spacing(said.shape, (1, 1, 1))
        match = match_lesions(lesions, lesions_of(true > 0), grid, Scoring(match="iou"))
        found.append((case, match, confidences_of(lesions, said, Scoring()), grid))
    return found, expected


def test_every_lesion_of_picai_eval_is_found_missed_or_made_up_as_there(picai):
    found, expected = picai
    for case, match, sure, grid in found:
        rows = lesion_rows(case, "lesion", match, sure, grid)
        ours = [[1, r["confidence"], r["iou"]] if r["matched"] else [1, 0, 0] for r in rows if r["side"] == "reference"]
        ours += [[0, r["confidence"], 0] for r in rows
                 if r["side"] == "predicted" and not r["matched"] and not r["duplicate"]]  # fmt: skip
        theirs = expected["lesion_results"][case]
        assert sorted(ours) == [pytest.approx(one, abs=1e-6) for one in sorted(theirs)], case


def test_the_curves_and_figures_of_picai_eval_are_met(picai):
    found, expected = picai
    rows = [one for case, match, sure, grid in found for one in lesion_rows(case, "lesion", match, sure, grid)]
    scores = scores_table([{"case": case, "label": "lesion", "judged": True} for case, *_ in found])
    (detection,) = detections(lesions_table(rows), scores)
    assert detection.average_precision == pytest.approx(expected["AP"])
    assert detection.auroc == pytest.approx(expected["auroc"])
    assert (detection.cases, detection.lesions) == (expected["num_cases"], expected["num_lesions"])
    assert detection.thresholds.tolist() == expected["thresholds"][:-1]
    assert detection.curve["sensitivity"].tolist() == pytest.approx(expected["lesion_TPR"][:-1])
    assert detection.curve["fp_per_case"].tolist() == pytest.approx(expected["lesion_FPR"][:-1])
    assert detection.curve["precision"].tolist() == pytest.approx(expected["precision"][-2:0:-1])
    assert detection.sensitivity_at(0.25) == 0
    assert detection.sensitivity_at(0.4) == 0.5


def test_an_older_file_of_picai_eval_counts_lesions_that_were_never_found(picai, test_data):
    """Its average precision takes misses as hits of confidence 0: 5 / 9 up to half the lesions, then 10 / 14."""
    root = test_data / "metrics_oracles" / "picai_eval" / "output-expected"
    ours = 0.5 * 5 / 9
    assert json.loads((root / "metrics-expected.json").read_text())["AP"] == pytest.approx(ours)
    assert json.loads((root / "metrics-main-expected.json").read_text())["AP"] == pytest.approx(ours + 0.5 * 10 / 14)
    lesions = {json.dumps(json.loads(path.read_text())["lesion_results"]) for path in root.iterdir()}
    assert len(lesions) == 1


@pytest.mark.parametrize("kind", ["matched_instance", "unmatched_instance", "semantic"])
def test_panoptic_quality_of_vertebrae_is_that_of_brute_force(test_data, kind):
    folder = test_data / "metrics_oracles" / "panoptica" / "spine_seg" / kind
    said, true = (volume(folder / f"{side}.nii.gz") for side in ("pred", "ref"))
    shares = []
    for a in np.unique(said[said > 0]):
        one = said == a
        for b in np.unique(true[one & (true > 0)]):
            shares.append((one & (true == b)).sum() / (one | (true == b)).sum())
    hits = [share for share in shares if share > 0.5]
    lesions = sum(len(np.unique(side)) - 1 for side in (said, true))
    numbered = [np.unique(side, return_inverse=True)[1].reshape(side.shape).astype(np.uint16) for side in (said, true)]
    found = match_lesions(*numbered, Geometry.from_spacing(said.shape, (0.58594, 0.58594, 3.3)))
    assert found.sq == pytest.approx(np.mean(hits))
    assert found.rq == pytest.approx(2 * len(hits) / lesions)
    assert found.pq == pytest.approx(np.mean(hits) * 2 * len(hits) / lesions)
    assert len(hits) > 10


def test_any_common_voxel_lets_one_be_several():
    match = matched(row((0, 12)), row((1, 3), (6, 8), (15, 17)))
    assert (match.found, match.missed, match.right, match.wrong) == (2, 1, 1, 0)
    assert (match.sensitivity, match.precision, match.f1) == (pytest.approx(2 / 3), 1, pytest.approx(0.8))


def test_by_iou_one_is_one_and_what_is_left_over_is_a_duplicate():
    match = matched(row((0, 4), (5, 9)), row((0, 9)), match="iou")
    assert (match.found, match.right, match.wrong, match.duplicates.tolist()) == (1, 1, 0, [1])
    far = matched(row((0, 4), (5, 9)), row((0, 9)), match="iou", match_threshold=0.5)
    assert (far.found, far.right, far.wrong) == (0, 0, 2)


def test_more_pairs_are_better_than_a_closer_one():
    # The first reference lesion fits both predicted ones, the second only the greater.
    match = matched(row((0, 2), (3, 9)), row((0, 6), (7, 12)), match="iou", match_threshold=0.1)
    assert sorted(match.pairs.tolist()) == [[0, 0], [1, 1]]


def test_centroids_are_compared_in_millimetres():
    said, true = row((0, 3)), row((4, 7))  # 4 pixels of 2 mm
    assert matched(said, true, match="centroid", match_threshold=8).found == 1
    assert matched(said, true, match="centroid", match_threshold=7.9).found == 0
    assert matched(said, true, match="centroid", match_threshold=0).found == 0
    assert matched(said, said, match="centroid", match_threshold=0).found == 1


@pytest.mark.parametrize("rule", ["any", "iou", "centroid"])
def test_empty_masks_follow_the_one_convention(rule):
    names = ("sensitivity", "precision", "f1", "sq", "rq", "pq")
    nothing = matched(row(), row(), match=rule)
    assert all(math.isnan(getattr(nothing, name)) for name in names)
    for one in (matched(row((1, 3)), row(), match=rule), matched(row(), row((1, 3)), match=rule)):
        assert [getattr(one, name) for name in names] == [0] * 6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.permutations([0, 1, 2]), st.sampled_from(["any", "iou", "centroid"]),
       st.sampled_from(["border-voxels", "surface-distance"]))  # fmt: skip
def test_flips_permutations_crops_and_translations_change_no_score(seed, order, rule, definition):
    rng = np.random.default_rng(seed)
    inner = (rng.random((2, 6, 7, 5)) < 0.25).astype(np.uint8)
    spacing, scoring = (
        np.array([0.5, 1, 2]),
        Scoring(match=rule, definition=definition, match_threshold=None if rule == "any" else 0.3),
    )
    before = [np.pad(mask, 1) for mask in inner]
    after = [np.flip(np.pad(mask, [(1, 3), (2, 1), (4, 2)]).transpose(order), 1) for mask in inner]
    affine = np.diag([*spacing[list(order)], 1.0])
    affine[:3, 3] = rng.normal(size=3) * 50
    one = scores_of_case(*before, LESION, geometry=Geometry.from_spacing(before[0].shape, spacing), scoring=scoring)
    two = scores_of_case(*after, LESION, geometry=Geometry(after[0].shape, affine), scoring=scoring)
    outside = ("accuracy", "specificity", "npv", "balanced_accuracy", "mcc", "kappa")  # more background
    for name, value in one.rows[0].items():
        if name not in outside:
            assert two.rows[0][name] == (pytest.approx(value, nan_ok=True) if isinstance(value, float) else value), name
    sizes = [sorted(r["voxels"] for r in found.lesions) for found in (one, two)]
    assert sizes[0] == sizes[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_the_assignment_is_the_best_of_all(seed):
    from itertools import permutations

    from medseg.evaluation.lesions import _assigned

    rng = np.random.default_rng(seed)
    gains = rng.random((4, 4)) * (rng.random((4, 4)) < 0.5)
    pairs = np.argwhere(gains > 0)
    found = _assigned(pairs, gains[tuple(pairs.T)])
    ways = [[(i, j) for i, j in enumerate(way) if gains[i, j] > 0] for way in permutations(range(4))]
    best = max((len(way), sum(gains[pair] for pair in way)) for way in ways)
    assert (len(found), sum(gains[tuple(pair)] for pair in found)) == (best[0], pytest.approx(best[1]))


def test_a_hundred_thousand_components_are_no_matter():
    mask = np.zeros((120, 120, 56), np.uint8)
    mask[::2, ::2, ::2] = 1
    found = scores_of_case(mask, np.flip(mask, 0), LESION, geometry=Geometry.from_spacing(mask.shape, (1, 1, 1)))
    same = scores_of_case(mask, mask, LESION, scoring=Scoring(match="iou"))
    assert found.rows[0]["predicted_lesions"] == 60 * 60 * 28
    assert (found.rows[0]["found_lesions"], same.rows[0]["pq"]) == (0, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(1, 20), (5, 9), (1, 6, 7), (4, 5, 6)]))
def test_components_are_scipys(seed, shape):
    from scipy.ndimage import generate_binary_structure, label

    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < rng.choice([0.1, 0.3, 0.5])
    theirs, count = label(mask, generate_binary_structure(len(shape), len(shape)))
    ours = lesions_of(mask)
    assert np.array_equal(ours > 0, mask)
    assert len({*zip(ours[mask].tolist(), theirs[mask].tolist(), strict=True)}) == count == ours.max(initial=0)


def test_there_is_no_curve_where_a_predicted_lesion_has_no_confidence():
    """Such a lesion would count as never found, whatever the threshold."""
    said, true = row((0, 3)), row((2, 5))
    sure, unsure = (
        scores_of_case(said, true, LESION, case, geometry=GRID, probabilities=shares)
        for case, shares in (("a", said[np.newaxis] * np.float16(0.9)), ("b", None))
    )
    rows, lesions = [*sure.rows, *unsure.rows], [*sure.lesions, *unsure.lesions]
    (alone,) = detections(lesions_table(sure.lesions), scores_table(sure.rows))
    (both,) = detections(lesions_table(lesions), scores_table(rows))
    assert (alone.average_precision, alone.froc_score) == (1, 1)
    assert (both.cases, both.sensitivity, len(both.thresholds)) == (2, 1, 0)
    assert np.isnan([both.average_precision, both.froc_score, both.auroc]).all()
