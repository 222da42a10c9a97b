"""Overlap scores: by hand, on empty masks, with ignored voxels, and against published figures."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import GridMismatchError
from medseg.evaluation import overlaps
from medseg.labels import IGNORE_INDEX, Labels

ONE = Labels.from_config({"lesion": 1})
TWO = Labels.from_config({"liver": 1, "tumour": 2})


def one(prediction: list[int], reference: list[int]):
    return overlaps(np.array([prediction], np.uint8), np.array([reference], np.uint8), ONE)[0]


def test_every_score_is_what_one_works_out_by_hand():
    score = one([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    assert (score.true_positive, score.false_positive, score.false_negative, score.true_negative) == (2, 1, 2, 5)
    assert (score.dice, score.iou) == (pytest.approx(4 / 7), pytest.approx(2 / 5))
    assert (score.precision, score.recall, score.accuracy) == (pytest.approx(2 / 3), 0.5, 0.7)


def test_both_empty_is_undefined_except_for_accuracy():
    score = one([0, 0, 0], [0, 0, 0])
    assert score.empty
    assert all(math.isnan(value) for value in (score.dice, score.iou, score.precision, score.recall))
    assert score.accuracy == 1


@pytest.mark.parametrize(("prediction", "reference"), [([1, 0], [0, 0]), ([0, 0], [1, 0])])
def test_one_empty_is_zero(prediction, reference):
    score = one(prediction, reference)
    assert (score.dice, score.iou, score.precision, score.recall, score.accuracy) == (0, 0, 0, 0, 0.5)


def test_ignored_voxels_of_the_reference_count_nowhere():
    score = one([1, 1, 0, 0], [1, IGNORE_INDEX, IGNORE_INDEX, 0])
    assert (score.dice, score.accuracy, score.true_negative) == (1, 1, 1)
    assert math.isnan(one([1, 0], [IGNORE_INDEX] * 2).accuracy)


def test_voxels_that_a_prediction_leaves_unjudged_count_as_background():
    score = one([IGNORE_INDEX, 1, IGNORE_INDEX], [1, 1, 0])
    assert (score.true_positive, score.false_negative, score.true_negative) == (1, 1, 1)


def test_each_label_is_scored_against_all_others():
    prediction, reference = np.array([[1, 1, 2, 0]], np.uint8), np.array([[1, 2, 2, 0]], np.uint8)
    liver, tumour = overlaps(prediction, reference, TWO)
    assert (liver.label, liver.precision, liver.recall) == ("liver", 0.5, 1)
    assert (tumour.label, tumour.precision, tumour.recall) == ("tumour", 1, 0.5)


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(GridMismatchError, match="case 4"):
        overlaps(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), ONE, "case 4")


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([0, 1, 2, IGNORE_INDEX])), min_size=1))
def test_counts_agree_with_comparing_voxel_by_voxel(pairs):
    prediction, reference = np.array(pairs, np.uint8).T[:, np.newaxis]
    judged = reference != IGNORE_INDEX
    for index, score in enumerate(overlaps(prediction, reference, TWO), start=1):
        p, r = prediction[judged] == index, reference[judged] == index
        counts = (score.true_positive, score.false_positive, score.false_negative, score.true_negative)
        assert counts == ((p & r).sum(), (p & ~r).sum(), (~p & r).sum(), (~p & ~r).sum())
        assert math.isnan(score.dice) or score.dice == pytest.approx(2 * score.iou / (1 + score.iou))


def boxes(shape: list[int], parts: list) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for part in parts:
        mask[tuple(slice(*bounds) for bounds in part)] = 1
    return mask


def runs(lengths: list) -> np.ndarray:
    return np.concatenate([np.full(count, value, np.uint8) for value, count in lengths])[np.newaxis]


def test_the_figures_of_metrics_reloaded_are_met(test_data):
    cases = json.loads((test_data / "metrics_oracles/metrics_reloaded/cases.json").read_text())["cases"]
    ours = {"ppv": "precision", "sensitivity": "recall", "tp": "true_positive", "fp": "false_positive",
            "fn": "false_negative", "tn": "true_negative", "plr": "positive_likelihood_ratio"}  # fmt: skip
    ours |= {name: name for name in ("dice", "iou", "npv", "balanced_accuracy", "youden", "mcc", "kappa")}
    ours["specificity"] = "specificity"
    met = set()
    for case in cases:
        if "shape" in case:
            prediction, reference = boxes(case["shape"], case["pred"]), boxes(case["shape"], case["ref"])
        else:
            prediction, reference = runs(case["pred_rle"]), runs(case["ref_rle"])
        (score,) = overlaps(prediction, reference, ONE)
        for name in ours.keys() & case.keys():
            assert getattr(score, ours[name]) == pytest.approx(case[name], abs=case["atol"]), (case["id"], name)
            met.add(name)
    assert met == ours.keys()
