"""Cross-validation: folds that choose nothing by whom they are judged, resumed, evaluated and joined."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.config import apply_overrides, check, read_yaml
from medseg.datasets import Split, k_folds, save_folds
from medseg.errors import ConfigError, DatasetError
from medseg.training.folding import folds_of
from medseg.training.settings import TrainSettings
from medseg.workflow.opening import opened_dataset
from tests.reporters import Listener

FOLDS = ("folds=2", "epochs=1", "test=0.2")


def _folds(config: Path, *overrides: str):
    settings = check(TrainSettings, apply_overrides(read_yaml(config), [*overrides, "fold=0"]), config)
    dataset, _labels = opened_dataset(settings, Listener())
    return folds_of(dataset, settings), dataset


def test_held_out_patients_choose_and_teach_nothing(blob_config):
    folds, dataset = _folds(blob_config, "folds=3", "test=0")
    whose = {case.id: case.patient for case in dataset.cases}
    assert sorted(case for fold in folds for case in fold.held_out) == sorted(whose)
    for fold in folds:
        parts = [{whose[case] for case in part} for part in (fold.split.train, fold.split.validation, fold.held_out)]
        assert all(parts)
        assert not any(parts[a] & parts[b] for a, b in ((0, 1), (0, 2), (1, 2)))
        assert set(fold.held_out) <= set(fold.split.test)


def test_folds_of_a_file_hold_out_what_it_validates_on(blob_config, tmp_path):
    _, dataset = _folds(blob_config, "folds=2")
    given = k_folds(dataset.cases, 4, seed=5)
    save_folds(tmp_path / "folds.json", given)
    folds, _ = _folds(blob_config, f"split={tmp_path / 'folds.json'}")
    assert [fold.held_out for fold in folds] == [split.validation for split in given]
    save_folds(tmp_path / "twice.json", [given[0], given[0]])
    with pytest.raises(DatasetError, match="as fold 0 does"):
        _folds(blob_config, f"split={tmp_path / 'twice.json'}")


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("folds=6", "test=0"), "6 folds of 5 labelled patients"),
        (("folds=5",), "5 folds of 4 labelled patients"),
        (("folds=2", "test=0.6"), "left to learn and to choose by"),
    ],
)
def test_too_few_patients_are_told_before_anything(blob_config, overrides, reason):
    with pytest.raises(DatasetError, match=reason):
        medseg.cross_validate(blob_config, *overrides)
    assert not (blob_config.parent / "run").exists()


def test_a_post_processing_that_the_folds_would_replace_is_refused(blob_config):
    with pytest.raises(ConfigError, match="is what the folds are there to choose"):
        medseg.cross_validate(blob_config, "plan.postprocessing.largest=[low]", *FOLDS)


@pytest.fixture(scope="module")
def done(blobs, tmp_path_factory):
    """A cross-validation that was killed in the middle of its second fold, and went on."""
    folder = tmp_path_factory.mktemp("folds")
    config = folder / "blobs.yaml"
    config.write_text(
        textwrap.dedent(f"""
        dataset: {blobs}
        out: {folder / "run"}
        modality: MR
        labels: {{low: 1, high: 4}}
        cases: {{file: cases.csv, id: name, patient: person}}
        plan:
          patch_size: [16, 16, 16]
          network: {{features: [8, 16, 16]}}
        learning: {{steps_per_epoch: 2, validations: 1, precision: fp32}}
        """)
    )
    killed = textwrap.dedent(f"""
        import os, medseg
        from tests.reporters import Listener
        class Killer(Listener):
            def say(self, text):
                super().say(text)
                if text.startswith("Fold 1 of"):
                    os._exit(9)
        if __name__ == "__main__":
            medseg.cross_validate({str(config)!r}, *{FOLDS!r}, reporter=Killer())
    """)
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", killed], cwd=root, timeout=240, check=False).returncode == 9
    assert (folder / "run" / "out_of_fold" / "fold0" / "components.csv").exists()
    listener = Listener()
    result = medseg.cross_validate(config, *FOLDS, reporter=listener)
    return config, result, listener


def test_a_killed_one_goes_on_and_leaves_finished_folds(done):
    _config, result, listener = done
    assert f"{result.folds[0]} is finished already" in listener.said
    assert f"{result.folds[1]} is finished already" not in listener.said
    assert not any((run / "cache").exists() for run in result.folds)


def test_every_patient_is_judged_out_of_fold(done):
    _config, result, _ = done
    split = Split.load(result.folder / "split.json")
    assert len(split.test) == 2
    assert sorted(result.evaluation.cases["case"].unique()) == list(split.train)
    assert len(split.train) == 8
    for number, run in enumerate(result.folds):
        own = Split.load(run / "split.json")
        masks = {path.parent.name for path in (result.folder / "out_of_fold" / f"fold{number}").glob("*/mask.nii.gz")}
        assert masks == set(own.test) - set(split.test)
    assert not result.evaluation.failures
    table = result.by_fold.set_index("label")
    assert list(table.columns) == ["fold0", "fold1", "mean", "sd"]
    assert table.loc["low", "mean"] == pytest.approx(table.loc["low", ["fold0", "fold1"]].mean())
    written = pd.read_csv(result.folder / "postprocessing.csv")
    assert {"none", "chosen", "chosen without the fold"} <= set(written["step"])
    none = written[(written["step"] == "none") & (written["label"] == "high")]["dice"].iloc[0]
    assert none == pytest.approx(result.evaluation.mean("high"), abs=1e-9)


def test_the_folds_are_one_model_that_cleans_as_it_was_chosen(done, blobs, tmp_path):
    _config, result, _ = done
    plan = medseg.load_model(result.folder).plan
    assert plan.members == 2
    assert plan.postprocessing == result.postprocessing
    predicted = medseg.predict(result.folder, [blobs / "images" / "case0.nii.gz"], tmp_path / "new")
    assert predicted.failed.empty
    test = medseg.predict(result.folder, blobs, tmp_path / "test", part="test")
    assert set(test.cases["case"]) == set(Split.load(result.folder / "split.json").test)


def test_other_folds_into_the_same_folder_are_refused(done):
    config, result, _ = done
    with pytest.raises(ConfigError, match="the folds or the cases are others"):
        medseg.cross_validate(config, *FOLDS, "seed=3")
    with pytest.raises(ConfigError, match="other settings"):
        medseg.cross_validate(config, *FOLDS, "learning.steps_per_epoch=3")
    assert result.model.exists()


def test_the_command_tells_as_json_and_the_result_draws_itself(done):
    config, result, _ = done
    told = CliRunner().invoke(app, ["cross-validate", str(config), *FOLDS, "--json"])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert figures["dice"]["before"] == pytest.approx(result.dice["before"])
    assert np.isfinite(figures["dice"]["honest"])
    assert "2 folds" in result._repr_html_()


def test_its_paper_tells_the_folds_and_the_scores_of_cases_held_out(done):
    _config, result, _ = done
    paper = medseg.write_methods(result.folder)
    assert "2 folds for cross-validation, and a test part that took part in none" in paper.methods
    assert paper.facts["no_patient_in_two_parts"] is True
    assert [paper.facts["parts"][name]["patients"] for name in ("fold 0", "fold 1", "test")] == [2, 2, 1]
    assert "Scores are of 8 cases, each predicted by the network of the fold that held it out" in paper.methods
    assert paper.facts["scored_but_seen"] == 0
    assert "The final model averages the logits of 2 networks" in paper.methods
    mean = result.evaluation.mean("low")
    assert f"| low | Dice | {mean:.3f} |" in paper.methods  # four patients: no interval
