"""Training: resumed exactly, stopped by name, bounded by its budget."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch

from medseg.datasets import Split
from medseg.errors import ConfigError, DatasetError, LabelError, ModelFolderError, TrainingError, UnreadableFileError
from medseg.plan import read_plan
from medseg.reporting import Silent
from medseg.training.checkpoint import load_checkpoint
from medseg.workflow import train
from tests.plans import LEVELS_3D, plan_3d, untrained_model
from tests.reporters import Listener


class StopAfter(Silent):
    """Dies in the middle of the given step, as a killed process would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def advance(self, text: str, done: float, total: float, note: str = "") -> None:
        if text == "Training" and done == self.step:
            raise KeyboardInterrupt


def test_a_run_that_is_stopped_goes_on_to_the_same_losses_and_weights(blob_config, tmp_path):
    whole = train(blob_config, out=tmp_path / "whole", epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train(blob_config, out=tmp_path / "stopped", epochs=3, reporter=StopAfter(6))
    assert not (tmp_path / "stopped" / "model").exists()
    resumed = train(blob_config, out=tmp_path / "stopped", epochs=3)
    pd.testing.assert_frame_equal(resumed.history, whole.history)
    weights = [(run.folder / "models" / "model.safetensors").read_bytes() for run in (whole, resumed)]
    assert weights[0] == weights[1]


def test_a_killed_process_is_resumed_by_the_same_command(blob_config, tmp_path):
    # All that depends on earlier validations: the rate and the end. The first validation stays the best.
    words = ["epochs=9", "learning.schedule=plateau", "learning.plateau=1", "learning.patience=5",
             "learning.validations=9", "learning.ema=0", "learning.learning_rate=1e-12"]  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-m", "medseg", "train", str(blob_config), *words]
    whole = train(blob_config, *words, out=tmp_path / "whole")
    assert len(whole.history) == 6
    assert json.loads((whole.run / "summary.json").read_text())["ended"].startswith("early: 5 validations")
    assert whole.history["learning_rate"].iloc[-1] < 0.1 * whole.history["learning_rate"].iloc[1]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    history = tmp_path / "run" / "history.csv"
    deadline = time.monotonic() + 120
    while not (history.exists() and len(history.read_text().splitlines()) > 2):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    resumed = pd.read_csv(history)
    assert np.allclose(resumed["loss"], whole.history["loss"], rtol=1e-9)
    assert list(resumed["learning_rate"]) == pytest.approx(list(whole.history["learning_rate"]))


def test_a_finished_run_is_left_as_it_is(blob_config):
    first = train(blob_config)
    written = (first.folder / "models" / "model.safetensors").read_bytes()
    again = train(blob_config)
    assert (again.folder / "models" / "model.safetensors").read_bytes() == written
    pd.testing.assert_frame_equal(again.history, first.history)


def test_a_run_with_other_settings_is_not_overwritten(blob_config):
    train(blob_config)
    with pytest.raises(ConfigError, match=r"other settings \(seed\)"):
        train(blob_config, "seed=1")


def test_a_run_that_failed_before_it_began_can_be_mended_in_its_folder(blob_config, tmp_path):
    with pytest.raises(DatasetError, match="third in none"):
        train(blob_config, labels={"low": 1, "high": 4, "third": 9})
    with pytest.raises(KeyboardInterrupt):
        train(blob_config, "learning.workers=2", test=0.3, reporter=StopAfter(5))
    assert len(train(blob_config, test=0.3, jobs=1, unreadable="leave_out").history) == 2
    with pytest.raises(ConfigError, match=r"other settings \(test\)"):
        train(blob_config)


def test_a_run_whose_data_set_has_changed_is_not_continued(blob_config, blobs, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(blobs, data)
    train(blob_config, dataset=data)
    for folder in ("images", "labels"):
        (data / folder / "case9.nii.gz").unlink()
    with pytest.raises(ConfigError, match="other cases than when this run began"):
        train(blob_config, dataset=data)


def test_class_weights_must_be_one_for_each_class(blob_config):
    with pytest.raises(ConfigError, match="2 weights, expected 3"):
        train(blob_config, "loss.class_weights=[1, 2]")


def test_a_loss_that_is_not_finite_stops_training_and_names_the_cases(blob_config):
    with pytest.raises(TrainingError, match=r"batch of case\d, case\d.*the loss is nan"):
        train(blob_config, "learning.learning_rate=1e30", "learning.gradient_clip=1e30", "learning.warmup=0")


def test_an_unreadable_case_is_named_before_time_is_wasted(blob_config, blobs, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(blobs, broken)
    path = broken / "images" / "case3.nii.gz"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UnreadableFileError, match=r"case3\.nii\.gz"):
        train(blob_config, dataset=broken, test=0.0, validation=0.2)


def test_labels_nobody_declared_are_named(blob_config):
    with pytest.raises(LabelError, match=r"case\d.*label values \[4\] are not declared"):
        train(blob_config, labels={"low": 1})


def test_fine_tuning_starts_from_the_earlier_model(blob_config, tmp_path):
    first = train(blob_config)
    second = train(blob_config, "learning.learning_rate=1e-9", "plan={}", init=first.folder, out=tmp_path / "second")
    before, after = (torch.load(run.folder / "models" / "model.pt", weights_only=True) for run in (first, second))
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)
    assert json.loads((second.folder / "plan.json").read_text()) == json.loads((first.folder / "plan.json").read_text())


def test_fine_tuning_keeps_to_the_memory_and_tells_what_it_cannot_learn_or_judge(blob_config, tmp_path):
    network = LEVELS_3D.model_copy(update={"features": (8, 16, 16)})
    plan = plan_3d(labels={"low": 1, "high": 4}, network=network, batch_size=8)
    model = untrained_model(tmp_path / "earlier" / "model", plan)
    listener = Listener()
    given = {"init": model, "labels": {"low": [1, 4], "high": 9}, "memory": "12MiB", "epochs": 1, "reporter": listener}
    Split(tuple(f"case{number}" for number in range(10)), (), ()).save(tmp_path / "earlier" / "split.json")
    trained = train(blob_config, **given)
    assert 1 <= read_plan(trained.folder / "plan.json").batch_size < 8
    assert any("high is in none of the" in text for text in listener.said)
    held_out = len(trained.split.validation) + len(trained.split.test)
    assert any(f"has learnt from {held_out} of the cases held out" in text for text in listener.said)
    with pytest.raises(ConfigError, match="the smallest step of the model takes"):
        train(blob_config, **given | {"memory": "1MiB", "out": tmp_path / "small"})
    several = untrained_model(tmp_path / "several", plan.model_copy(update={"members": 2}))
    with pytest.raises(ModelFolderError, match="is an ensemble of 2"):
        train(blob_config, **given | {"init": several, "out": tmp_path / "of_several"})


def test_fine_tuning_on_other_structures_is_refused(blob_config, tmp_path):
    first = train(blob_config)
    with pytest.raises(LabelError, match="Fine-tune on the same structures"):
        train(blob_config, labels={"one": 1, "two": 4}, init=first.folder, out=tmp_path / "second")


def test_fine_tuning_from_a_broken_model_folder_is_refused(blob_config, tmp_path):
    first = train(blob_config)
    (first.folder / "models" / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelFolderError, match="cannot be started from"):
        train(blob_config, init=first.folder, out=tmp_path / "second")


def test_a_budget_in_minutes_becomes_steps(blob_config):
    trained = train(blob_config, epochs=None, minutes=0.05)
    steps = trained.history["step"].iloc[-1]
    assert steps >= 1
    progress, _ = load_checkpoint(trained.run / "checkpoints" / "last.pt")
    assert progress.step == progress.total_steps == steps


def test_splits_keep_patients_together_and_parts_apart(blob_config):
    split = train(blob_config).split
    parts = [{int(case[4:]) // 2 for case in part} for part in (split.train, split.validation, split.test)]
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == 5
