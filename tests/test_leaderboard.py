"""The leaderboard: models on the same cases, from evaluations and predictions to tables, picture and page."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import ConfigError, DatasetError, MedsegError, UnreadableFileError
from medseg.evaluation import Evaluation, evaluate_pairs, find_pairs, scores_table
from medseg.evaluation.leaderboard import COMPARISON_COLUMNS, LEADERBOARD_COLUMNS, compare_models
from medseg.evaluation.scored import Scored, read_scored, scored_of
from medseg.evaluation.statistics import holm, mean_interval, paired_test
from medseg.evaluation.summary import ALL_LABELS
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import write_mask
from medseg.labels import Labels

CASES = 20
RULES = {"beta": 2.0, "match": "any", "match_threshold": 0.0}
LABELS = Labels.from_config({"organ": 1, "lesion": 2})
GRID = Geometry.from_spacing((14, 14, 6), (1, 1, 2))


def model(name: str, shift: float = 0.0, noise: float = 0.02, cases: range = range(CASES), **changed: object) -> Scored:
    """A made model on two labels: scores of each case about a difficulty that all models share."""
    hardness = np.random.default_rng(1).beta(8, 2, (100, 2))
    own = np.random.default_rng(sum(map(ord, name)))
    rows = []
    for case in cases:
        for place, label in enumerate(("organ", "lesion")):
            dice = float(np.clip(hardness[case, place] + shift + own.normal(0, noise), 0, 1))
            rows.append(
                {"case": f"c{case}", "label": label, "dice": dice, "hd95_mm": 20 * (1 - dice), "unit": "mm",
                 "predicted_voxels": 40, "reference_voxels": 50 + case, "judged": True, "tolerance": 1.0,
                 "definition": "border-voxels"} | changed
            )  # fmt: skip
    return Scored(name, scores_table(rows), {f"c{case}": f"p{case // 2}" for case in cases}, RULES)


def test_figures_are_those_of_the_statistics():
    models = [model("a"), model("b", -0.1), model("c", 0.02)]
    board = compare_models(models, ["dice"], resamples=1000)
    assert tuple(board.table.columns) == LEADERBOARD_COLUMNS
    assert tuple(board.comparisons.columns) == COMPARISON_COLUMNS
    assert list(dict.fromkeys(board.table["label"])) == [ALL_LABELS, "organ", "lesion"]
    organ = board.table[board.table["label"] == "organ"]
    assert list(organ["model"]) == ["c", "a", "b"]
    assert list(organ["rank"]) == [1, 2, 3]
    patients = [f"p{n // 2}" for n in range(CASES)]
    values = {one.name: one.scores["dice"][one.scores["label"] == "organ"].to_numpy() for one in models}
    for row in organ.to_dict("records"):
        own = mean_interval(values[row["model"]], patients, resamples=1000)
        assert (row["mean"], row["low"], row["high"]) == pytest.approx((own.mean, own.low, own.high))
        assert (row["n"], row["patients"]) == (CASES, CASES // 2)
    last = organ.iloc[2]
    test = paired_test(values["b"], values["c"], patients, resamples=1000)
    assert last["difference"] == pytest.approx(test.difference)
    assert (last["wilcoxon_p"], last["permutation_p"]) == pytest.approx((test.wilcoxon_p, test.permutation_p))
    assert last["difference_low"] < test.difference < last["difference_high"] < 0
    pairs = board.comparisons[board.comparisons["label"] == "organ"]
    assert list(zip(pairs["model"], pairs["other"], strict=True)) == [("c", "a"), ("c", "b"), ("a", "b")]
    assert pairs["wilcoxon_p_holm"].to_numpy() == pytest.approx(holm(pairs["wilcoxon_p"]))
    assert pairs["permutation_p_holm"].to_numpy() == pytest.approx(holm(pairs["permutation_p"]))
    assert last["wilcoxon_p_holm"] == pairs["wilcoxon_p_holm"].iloc[1]
    assert organ.iloc[0][["difference", "wilcoxon_p"]].isna().all()


def test_of_distances_the_least_is_best_and_a_worse_model_has_a_greater_one():
    board = compare_models([model("a", -0.1), model("b")], ["hd95_mm"], resamples=500)
    row = board.table[board.table["label"] == "organ"].iloc[1]
    assert row["model"] == "a"
    assert 0 < row["difference_low"] < row["difference"] < row["difference_high"]


def test_the_order_of_the_runs_changes_no_figure():
    models = [model("a"), model("b", -0.1), model("c", 0.02)]
    there, back = (compare_models(order, ["dice"], resamples=500).table for order in (models, models[::-1]))
    pd.testing.assert_frame_equal(there, back)


def test_identical_models_share_a_rank_and_have_no_p():
    twin = Scored("twin", model("a").scores, model("a").patients, RULES)
    board = compare_models([model("a"), twin, model("b", -0.1)], resamples=500)
    rows = board.table[board.table["label"] == "organ"]
    assert list(rows["rank"]) == [1, 1, 3]
    assert rows.iloc[1]["note"] == "identical"
    assert rows.iloc[1][["wilcoxon_p", "permutation_p_holm"]].isna().all()
    assert rows.iloc[2]["permutation_p_holm"] < 0.05


def test_only_cases_that_all_have_are_compared_and_the_others_are_named():
    failed = Scored("b", model("b", cases=range(18)).scores, model("b").patients, RULES, {"c18": "its mask is broken"})
    board = compare_models([model("a"), failed], resamples=500)
    assert set(board.table["n"]) == {18}
    assert board.left_out.to_dict("records") == [
        {"case": "c18", "patient": "p9", "model": "b", "reason": "failed: its mask is broken"},
        {"case": "c19", "patient": "p9", "model": "b", "reason": "not among its cases"},
    ]
    assert "2 cases that not every model has are left out, and with them all cases of 1 patient: c18, c19" in " ".join(
        board.notes
    )


def test_a_case_without_a_value_in_one_model_counts_for_none_and_its_errors_are_told():
    blind = model("blind")
    lesion = (blind.scores["label"] == "lesion") & blind.scores["case"].isin(["c0", "c1", "c2"])
    blind.scores.loc[lesion, ["hd95_mm", "dice", "predicted_voxels"]] = [math.nan, 0.0, 0]
    board = compare_models([model("a"), blind], ["dice", "hd95_mm"], resamples=500)
    rows = board.table[board.table["label"] == "lesion"].set_index(["metric", "model"])
    assert rows.loc[("dice", "blind"), ["n", "missed"]].tolist() == [20, 3]
    assert rows.loc[("hd95_mm", "blind"), "n"] == rows.loc[("hd95_mm", "a"), "n"] == 17
    assert "left out: 3 cases without a value in some model" in rows.loc[("hd95_mm", "a"), "note"]


def test_fewer_than_five_patients_have_no_intervals_and_no_tests():
    board = compare_models([model("a", cases=range(8)), model("b", -0.1, cases=range(8))], resamples=500)
    assert board.table[["low", "high", "wilcoxon_p", "permutation_p", "difference_low"]].isna().all(axis=None)
    assert board.table["mean"].notna().all()
    assert "Fewer than 5 patients: no intervals and no tests." in board.notes
    assert "NaN" not in board.to_json()


def test_a_case_that_is_called_its_own_patient_takes_the_word_of_another_model():
    unknown = Scored("b", model("b").scores, {}, RULES)
    assert set(compare_models([unknown, model("a")], resamples=500).table["patients"]) == {CASES // 2}
    alone = compare_models([unknown], resamples=500)
    assert set(alone.table["patients"]) == {CASES}
    assert alone.notes == ("Each case counts as a patient of its own: nobody says otherwise.",)
    assert alone.comparisons.empty


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (model("b", cases=range(30, 50)), "no case is in all models"),
        (model("b", label="liver"), "two rows of liver"),
        (model("b", reference_voxels=7), "reference voxels differ in case c0, label organ .50 and 7. and 39 more"),
        (model("b", tolerance=2.0), "tolerance of the NSD differ"),
        (model("b", definition="surface-distance"), "definition of distances differ"),
        (model("b", unit="px"), "unit of distances differ"),
        (Scored("b", model("b").scores, {}, RULES | {"match": "iou"}), "match is any and iou"),
        (Scored("b", model("b").scores, {"c0": "p7"}, RULES), "case c0 is of patient p0"),
        (model("a"), "two models are called 'a'"),
    ],
)
def test_what_cannot_be_compared_is_refused(other, said):
    with pytest.raises(DatasetError, match=said):
        compare_models([model("a"), other], resamples=500)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (["dise"], "'dise' is no score"),
        (["relative_volume_difference"], "has no better direction"),
        (["hd95_px"], "no case has a value of hd95_px"),
        ([], "none"),
    ],
)
def test_a_metric_that_ranks_nothing_is_refused(metrics, said):
    with pytest.raises(ConfigError, match=said):
        compare_models([model("a"), model("b")], metrics, resamples=500)


def body(shift: int, size: int) -> np.ndarray:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[2:12, 2 + shift : 12, 1:5] = 1
    mask[4 : 4 + size, 5:8, 2:4] = 2
    return mask


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Predictions of two models as folders of masks, and references: 7 cases."""
    for n in range(7):
        for name, mask in (("good", body(n % 2, 3)), ("bad", body(2 + n % 3, 1 + n % 4)), ("ref", body(0, 3))):
            (tmp_path / name).mkdir(exist_ok=True)
            write_mask(tmp_path / name / f"00{n}.nii.gz", Segmentation(mask, GRID, LABELS))
    return tmp_path


def scored(runs: Path, name: str) -> Evaluation:
    return evaluate_pairs(find_pairs(runs / name, runs / "ref"), LABELS)


def test_what_was_saved_is_compared_as_what_is_in_memory(runs):
    found = scored(runs, "good")
    found.save(runs / "good" / "evaluation")
    read, own = read_scored("good", runs / "good" / "evaluation"), scored_of("good", found)
    pd.testing.assert_frame_equal(read.scores, own.scores, rtol=1e-9)
    assert read.scores["case"][0] == "000"
    assert read.patients == own.patients
    assert dict(read.scoring) == json.loads(json.dumps(dict(own.scoring)))


def test_the_command_scores_predictions_first_and_writes_everything(runs):
    words = ["--label", "organ=1", "--label", "lesion=2", "--reference", str(runs / "ref"), "--out", str(runs / "out")]
    metrics = ["--metric", "dice", "--metric", "hd95_mm", "--resamples", "500"]
    folders = [str(runs / "bad"), str(runs / "good")]
    done = CliRunner().invoke(app, ["leaderboard", *folders, *words, *metrics])
    assert done.exit_code == 0, done.output
    names = {"leaderboard.csv", "comparisons.csv", "leaderboard.json", "leaderboard.png", "index.html", "scores"}
    assert {path.name for path in (runs / "out").iterdir()} == names
    table = pd.read_csv(runs / "out" / "leaderboard.csv")
    assert table[table["rank"] == 1]["model"].unique().tolist() == ["good"]
    assert "good" in done.stdout
    with Picture.open(runs / "out" / "leaderboard.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    page = (runs / "out" / "index.html").read_text()
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"?https?:", page)
    assert "A row a model, the best above." in page
    # And again from what it saved, under other names.
    again = [str(runs / "out" / "scores" / name) for name in ("bad", "good")]
    more = ["--name", "old", "--name", "<new>", "--out", str(runs / "again"), "--json"]
    done = CliRunner().invoke(app, ["leaderboard", *again, *metrics, *more])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["models"] == ["old", "<new>"]
    assert [row["mean"] for row in told["leaderboard"]] == pytest.approx(table["mean"].tolist())
    assert "<new>" not in (runs / "again" / "index.html").read_text()


def test_a_case_in_which_a_model_failed_makes_the_exit_code_one(runs):
    (runs / "bad" / "003.nii.gz").write_bytes(b"broken")
    words = ["--reference", str(runs / "ref"), "--out", str(runs / "out"), "--resamples", "200"]
    done = CliRunner().invoke(app, ["leaderboard", str(runs / "bad"), str(runs / "good"), *words])
    assert done.exit_code == 1
    assert "left out: 003: bad: failed: " in done.stderr
    assert set(pd.read_csv(runs / "out" / "leaderboard.csv")["n"]) == {6}


def test_names_are_those_of_folders_as_far_as_they_tell_them_apart(runs):
    for part in ("x/net", "y/net"):
        scored(runs, "good").save(runs / part / "evaluation")
    folders = [runs / "x" / "net" / "evaluation", runs / "y" / "net"]
    assert medseg.leaderboard(folders, resamples=200).models == ("x/net", "y/net")


def test_folders_that_cannot_be_compared_are_refused_by_name(runs):
    scored(runs, "good").save(runs / "good" / "evaluation")
    for folders, options, kind, said in (
        ([runs / "good", runs / "nowhere"], {}, UnreadableFileError, "no such folder"),
        ([runs / "good", runs / "bad"], {}, DatasetError, "medseg evaluate .*bad DATASET"),
        ([runs / "good", runs / "good"], {}, ConfigError, "given twice"),
        ([runs / "good"], {"names": ["a", "b"]}, ConfigError, "2 for 1 runs"),
        ([runs / "good"], {"metrics": ["dise"]}, ConfigError, "is no score"),
        ([], {}, DatasetError, "no model"),
    ):
        with pytest.raises(kind, match=said):
            medseg.leaderboard(folders, **options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case,label\nc,l\n", "no column 'predicted_voxels'"),
        ("case,label,predicted_voxels,reference_voxels,dice\nc,l,1,1,much\n", "something else than scores"),
        ("case,label,predicted_voxels,reference_voxels\nc,l,1\n", "more or fewer fields"),
        ("\x00", "no column|cannot be read"),
    ],
)
def test_a_table_that_is_none_of_scores_is_refused(tmp_path, text, said):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(MedsegError, match=said):
        read_scored("a", tmp_path)
