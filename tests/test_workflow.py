"""The whole way, small: train, predict the unseen part, evaluate, measure; and the command line over it."""

import json
import subprocess
import sys
from dataclasses import dataclass

import nibabel
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import medseg
from medseg.cli import app, main
from medseg.training.settings import TrainSettings


@pytest.fixture(scope="module")
def run(blobs, tmp_path_factory):
    """A network trained for some seconds on bodies that are easy to find."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "config.yaml"
    config.write_text(
        f"""
dataset: {blobs}
out: {folder / "run"}
modality: MR
labels: {{low: 1, high: 4}}
cases: {{file: cases.csv, id: name, patient: person}}
epochs: 10
plan: {{patch_size: [20, 24, 20], network: {{features: [8, 16, 32]}}}}
learning: {{steps_per_epoch: 25, validations: 2, learning_rate: 0.005, precision: fp32}}
"""
    )
    return medseg.train(config)


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(monkeypatch, capsys):
    """The `medseg` command in this process, for its exit code and what it prints."""

    def run(*words) -> Ended:
        monkeypatch.setattr(sys, "argv", ["medseg", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return run


def test_an_unseen_part_is_segmented_scored_and_measured(run, blobs, tmp_path):
    predictions = medseg.predict(run.folder, blobs, tmp_path / "out", part="test")
    assert set(predictions.cases["case"]) == set(run.split.test)
    scores = medseg.evaluate(tmp_path / "out", blobs)
    assert scores.mean("low") > 0.75
    assert scores.mean("high") > 0.8
    # a sphere of radius 4 voxels of 1.5 mm³: 0.4 ml
    high = predictions.regions.query("label == 'high' and region == 1")
    assert len(high) == len(run.split.test)
    assert high["volume_ml"].between(0.28, 0.52).all()


def test_training_leaves_curves_a_split_and_its_settings(run):
    assert {"history.csv", "progress.png", "split.json", "settings.json", "plan.json", "model"} <= {
        path.name for path in run.run.iterdir()
    }
    table = pd.read_csv(run.run / "history.csv")
    assert table["loss"].iloc[-1] < table["loss"].iloc[0]
    assert {"val_dice", "val_dice_low", "val_dice_high"} <= set(table)


def test_measuring_a_mask_loads_no_torch(blobs):
    code = (
        "import sys, medseg;"
        f"t = medseg.measure({str(blobs / 'images' / 'case0.nii.gz')!r}, {str(blobs / 'labels' / 'case0.nii.gz')!r});"
        "assert len(t) >= 2; assert 'torch' not in sys.modules and 'monai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_mask_on_another_grid_is_refused_with_both_grids(command, blobs, tmp_path):
    image = nibabel.load(blobs / "images" / "case0.nii.gz")
    moved = image.affine.copy()
    moved[0, 3] += 2
    nibabel.save(nibabel.Nifti1Image(np.zeros(image.shape, np.uint8), moved), tmp_path / "mask.nii.gz")
    done = command("measure", blobs / "images" / "case0.nii.gz", tmp_path / "mask.nii.gz")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "mask.nii.gz" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "CONFIG", "minuts=3"], "Did you mean 'minutes'?"),
        (["train", "CONFIG", "learning.learningrate=3"], "Did you mean 'learning_rate'?"),
        (["train", "CONFIG", "dataset=nowhere"], "nowhere"),
        (["train", "missing.yaml"], "missing.yaml"),
        (["train", "CONFIG", "minutes=2", "epochs=3"], "either minutes or epochs"),
        (["predict", "nowhere", "INPUT", "--out", "OUT"], "nowhere"),
        (["inspect", "EMPTY"], "EMPTY"),
        (["evaluate", "nowhere", "INPUT"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(command, words, said, blob_config, blobs, tmp_path):
    (tmp_path / "EMPTY").mkdir()
    places = {"CONFIG": blob_config, "INPUT": blobs / "images", "OUT": tmp_path / "out", "EMPTY": tmp_path / "EMPTY"}
    done = command(*(places.get(word, word) for word in words))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback(tmp_path):
    words = [sys.executable, "-m", "medseg", "--debug", "inspect", str(tmp_path / "nowhere")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "Traceback" in done.stderr
    assert done.returncode == 2


def test_what_nobody_foresaw_could_not_run_which_is_not_that_cases_failed(tmp_path, monkeypatch, capsys):
    def defect(*_words, **_options):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("medseg.workflow.batch_status.status", defect)
    monkeypatch.setattr(sys, "argv", ["medseg", "status", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "ZeroDivisionError: of ours" in capsys.readouterr().err


def test_predict_evaluate_and_measure_speak_json(run, blobs, tmp_path):
    runner = CliRunner()
    out = tmp_path / "out"
    words = ["predict", str(run.folder), str(blobs / "images" / "case0.nii.gz"), "--out", str(out), "--json"]
    assert json.loads(runner.invoke(app, words).stdout)["cases"] == 1
    scores = runner.invoke(app, ["evaluate", str(out), str(blobs), "--json"])
    assert json.loads(scores.stdout)["labels"]["low"]["dice"]["n"] == 1
    words = ["measure", str(blobs / "images" / "case0.nii.gz"), str(out / "case0" / "mask.nii.gz"), "--json"]
    regions = json.loads(runner.invoke(app, [*words, "--label", "low=1", "--label", "high=4"]).stdout)
    assert {row["label"] for row in regions} == {"low", "high"}


def test_inspect_speaks_json_and_ends_with_1_where_there_are_problems(blobs):
    runner = CliRunner()
    words = ["inspect", str(blobs), "--json", "--label", "low=1"]
    assert runner.invoke(app, [*words, "--label", "high=4"]).exit_code == 0
    undeclared = runner.invoke(app, words)
    assert undeclared.exit_code == 1
    assert json.loads(undeclared.stdout)["layout"] == "paired"


def test_a_failed_case_makes_exit_code_1(command, run, blobs, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.nii.gz").write_bytes(b"rubbish")
    (tmp_path / "in" / "good.nii.gz").write_bytes((blobs / "images" / "case0.nii.gz").read_bytes())
    done = command("predict", run.folder, tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "failed: bad" in done.stderr
    assert (tmp_path / "out" / "good" / "mask.nii.gz").exists()


def test_the_help_of_train_names_every_key(tmp_path):
    text = " ".join(CliRunner().invoke(app, ["train", "--help"]).stdout.split())
    assert all(key in text for key in TrainSettings.model_fields)


def test_the_demo_runs_end_to_end(tmp_path):
    done = medseg.demonstrate("mammogram", tmp_path / "demo", minutes=0.05, studies=(5, 2))
    assert (done.predictions.cases["status"] == "done").all()
    assert done.otsu_dice < 0.5
    assert all(path.exists() for path in done.places.values())
