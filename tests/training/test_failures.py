"""What fails in the middle of a training: memory, prepared files, workers. It is named, or mended where asked for."""

import json
import shutil
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg.datasets import CaseTable, open_dataset, split_by_patient
from medseg.errors import ConfigError, TrainingError, UnreadableFileError
from medseg.reporting import Silent
from medseg.training.batch import Batch
from medseg.training.batches import batches_ahead
from medseg.training.learner import Learner
from medseg.training.patches import PatchSource
from medseg.training.shortage import is_shortage, shortage
from medseg.workflow import train
from tests.plans import LEVELS_2D, plan_2d


class DamageAfter(Silent):
    """Cuts the prepared image of one case when a step is done."""

    def __init__(self, run: Path, step: int) -> None:
        self.run, self.step, self.case = run, step, ""
        self.said: list[str] = []

    def advance(self, text: str, done: float, total: float, note: str = "") -> None:
        if text == "Training" and done == self.step:
            folder = sorted(path for path in (self.run / "cache").iterdir() if path.is_dir())[0]
            self.case = folder.name.rpartition("-")[0]
            with (folder / "image.npy").open("r+b") as file:
                file.truncate(200)

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def steps_that_need(monkeypatch):
    """Steps of more patches than this run out of memory, as a GPU's do."""

    def set_limit(patches: int) -> None:
        step = Learner.step

        def limited(self: Learner, batch: Batch) -> float:
            if len(batch.images) > patches:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return step(self, batch)

        monkeypatch.setattr(Learner, "step", limited)

    return set_limit


def test_too_little_memory_is_told_with_the_numbers_to_lower(blob_config, steps_that_need):
    steps_that_need(1)
    with pytest.raises(TrainingError, match=r"plan\.batch_size=2, plan\.patch_size=\[8, 8, 8\].*lower_batch") as caught:
        train(blob_config, "plan.batch_size=4")
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_the_batch_is_halved_until_it_fits_where_asked_for(blob_config, steps_that_need, tmp_path):
    steps_that_need(1)
    trained = train(blob_config, "plan.batch_size=4", "learning.lower_batch=true")
    assert len(trained.history) == 2
    for plan in (trained.run / "plan.json", trained.folder / "plan.json"):
        assert json.loads(plan.read_text())["batch_size"] == 1
    told = json.loads((trained.run / "summary.json").read_text())
    assert told["batch_size"] == 1
    assert told["batch_size_reason"] == "half of 2: memory did not suffice in training"


def test_a_batch_of_one_that_does_not_fit_is_an_error_even_so(blob_config, steps_that_need):
    steps_that_need(0)
    with pytest.raises(TrainingError, match="does not suffice for batches of 1"):
        train(blob_config, "plan.batch_size=2", "learning.lower_batch=true")


def test_the_smaller_patch_that_is_told_suits_the_network():
    network = LEVELS_2D.model_copy(update={"name": "flexible"})
    plan = plan_2d(patch_size=(96, 160), network=network)
    assert "plan.patch_size=[32, 64]" in str(shortage(MemoryError(), plan, torch.device("cpu")))


def test_shortages_are_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert is_shortage(caught.value)
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 59)
    assert is_shortage(caught.value)
    assert not is_shortage(RuntimeError("shapes do not fit"))


def test_a_prepared_case_that_is_cut_off_is_named(blob_config, tmp_path):
    damage = DamageAfter(tmp_path / "run", 1)
    with pytest.raises(UnreadableFileError, match="has been cut to 200 bytes") as caught:
        train(blob_config, epochs=4, reporter=damage)
    assert caught.value.where == damage.case


def test_a_prepared_case_that_is_cut_off_is_left_out_where_asked_for(blob_config, tmp_path):
    damage = DamageAfter(tmp_path / "run", 1)
    trained = train(blob_config, epochs=4, unreadable="leave_out", reporter=damage)
    assert len(trained.history) == 4
    told = json.loads((trained.run / "summary.json").read_text())
    assert list(told["left_out"]) == [damage.case]
    assert any(f"left out from here on: {damage.case}" in text for text in damage.said)


@pytest.fixture
def own_config(blob_config, blobs, tmp_path):
    """The same on a copy of the data set, whose files may be damaged."""
    shutil.copytree(blobs, tmp_path / "data")
    blob_config.write_text(blob_config.read_text().replace(str(blobs), str(tmp_path / "data")))
    return blob_config


class LoseValidationCase(Silent):
    """Cuts the image of the first validation case when a step is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def advance(self, text: str, done: float, total: float, note: str = "") -> None:
        if text == "Training" and done == 1:
            split = json.loads((self.folder / "run" / "split.json").read_text())
            (self.folder / "data" / "images" / f"{split['validation'][0]}.nii.gz").write_bytes(b"")


def test_a_validation_case_that_is_lost_in_training_is_left_out_where_asked_for(own_config, tmp_path):
    lose = LoseValidationCase(tmp_path)
    with pytest.raises(UnreadableFileError, match=r"case\d: cannot be validated on"):
        train(own_config, reporter=lose)
    # It was asked for too late, but the run goes on.
    trained = train(own_config, unreadable="leave_out")
    (lost,) = json.loads((trained.run / "summary.json").read_text())["left_out"]
    assert lost in trained.split.validation
    assert trained.history["val_dice"].notna().all()


def test_a_validation_case_that_cannot_be_read_is_named_before_the_first_step(own_config, tmp_path):
    table = CaseTable(file="cases.csv", id="name", patient="person")
    split = split_by_patient(open_dataset(tmp_path / "data", table=table).cases)
    (tmp_path / "data" / "images" / f"{split.validation[0]}.nii.gz").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match=f"{split.validation[0]}: cannot be validated on"):
        train(own_config)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_error_in_a_worker_keeps_its_traceback_and_names_step_and_cases(blob_config, monkeypatch):
    def broken(self: PatchSource, step: int) -> Batch:
        if step == 5:
            return [][step]
        return whole(self, step)

    whole = PatchSource.batch
    monkeypatch.setattr(PatchSource, "batch", broken)
    with pytest.raises(IndexError) as caught:
        train(blob_config)
    assert any("batch of step 6 was made from case" in note for note in caught.value.__notes__)
    assert "return [][step]" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_the_order_of_their_steps(workers):
    class Numbered:
        def cases_of(self, step: int) -> list[object]:
            return []

        def batch(self, step: int) -> Batch:
            return Batch(torch.full((1,), step), torch.zeros(1), torch.zeros(1))

    batches = batches_ahead(Numbered(), 7, workers)
    assert [int(next(batches).images) for _ in range(20)] == list(range(7, 27))
    batches.close()


def test_half_precision_on_a_cpu_is_refused_before_anything_is_prepared(blob_config):
    with pytest.raises(ConfigError, match="fp16 on a CPU"):
        train(blob_config, "learning.precision=fp16", "learning.device=cpu")
