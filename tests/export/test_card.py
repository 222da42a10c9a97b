"""The model's card: what it learnt from, how well it found each label, what it is for and where its limits are."""

import json
import math
from pathlib import Path

import pytest
from plans import plan_2d, plan_3d, untrained_model

import medseg
from medseg.case import Case
from medseg.export.card import intended_use, limits, metadata, readme
from medseg.export.training_card import data_summary, label_scores


def test_a_training_leaves_its_card(blob_config):
    told = medseg.model_info(medseg.train(blob_config).folder)
    assert told["patients"] == 3
    assert told["images"] == "median 20×24×18, 1×1×1.5 mm"
    assert set(told["labels in training"]) == set(told["validation Dice by label"]) == {"low", "high"}
    assert told["labels in training"]["low"].startswith("in 6 of 6 cases, median 0.")
    mean = sum(told["validation Dice by label"].values()) / 2
    assert mean == pytest.approx(told["validation Dice"], abs=1e-3)


def test_patients_are_counted_where_there_is_no_fingerprint(tmp_path):
    cases = [Case(f"case{number}", f"patient{number // 2}", (Path("x.nii"),)) for number in range(4)]
    assert data_summary(tmp_path / "nowhere", cases) == {"patients": 2}


def test_the_scores_are_those_of_the_kept_weights():
    history = [
        {"epoch": 1},
        {"epoch": 2, "val_dice": 0.8, "val_dice_a": 0.7, "val_dice_b": math.nan},
        {"epoch": 3, "val_dice": 0.6, "val_dice_a": 0.6},
    ]
    assert label_scores(history, 0.8) == {"a": 0.7}
    assert label_scores([], -1.0) == {}


def test_limits_and_uses_follow_from_the_plan():
    plan = plan_3d(members=3)
    assert "Segmentation of a, b in MR volumes" in intended_use(plan)
    told = " ".join(limits(plan, {"validation Dice": 0.9}))
    for words in ("MR alone", "1×1×1 mm", "too good", "single members"):
        assert words in told
    flat = " ".join(limits(plan_2d(), {}))
    assert "without physical spacing" in flat
    assert "too good" not in flat
    assert "- It finds nothing but its labels" in readme(plan, {"name": "x"})


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        ({"a": 1, "b": 7}, {"background": 0, "a": 1, "b": 7}),
        ({"background": 3, "a": 1}, {"background": 3, "a": 1}),
        ({"a": 1, "b": 1, "overlapping": True}, {}),
    ],
)
def test_the_metadata_names_what_masks_hold(labels, values, tmp_path):
    assert metadata(plan_3d(labels=labels), {})["label_values"] == values
    model = untrained_model(tmp_path / "model", plan_3d(labels=labels))
    said = json.loads((model / "configs" / "metadata.json").read_text())
    assert said["eval_metrics"] == {}
    assert said["limits"]
