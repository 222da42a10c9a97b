"""A model stays open from round to round: the same process, unless that died or the model on disk is another."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import torch
from batch_runs import until
from plans import LEVELS_3D, plan_3d, untrained_model
from test_line import contents, ours

import medseg
from medseg import room
from medseg.batch import Predictions
from medseg.errors import ModelFolderError
from medseg.ledger import read_ledger
from medseg.line.limits import Limits, Watch
from medseg.line.network import Opening, pinned
from medseg.line.remote import Remote
from medseg.line.worker import Crashed
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.openings import Openings
from medseg.workflow.predicting import predict_listed
from medseg.workflow.watching import Listing, watch

pytestmark = pytest.mark.skipif(not room.shareable(), reason="one process does everything here")

FP32 = {"precision": "fp32", "device": "cpu"}


@pytest.fixture
def folder(tmp_path):
    return untrained_model(tmp_path / "model", plan_3d(spacing_mm=(2.0, 2.0, 2.0)))


def _exchange(folder: Path) -> None:
    other = LEVELS_3D.model_copy(update={"features": (4, 8, 12)})
    untrained_model(folder, plan_3d(spacing_mm=(2.0, 2.0, 2.0), network=other))


def _children(pid: int) -> set[int]:
    """Processes that a process has started."""
    return {
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    }


class Rounds:
    """A watch whose inbox gets two cases a round; notes which of our processes are there after each."""

    def __init__(self, folder: Path, blobs: Path, root: Path, *between, **options: object) -> None:
        self.folder, self.blobs, self.inbox, self.out = folder, blobs, root / "inbox", root / "out"
        self.between, self.options = list(between), BatchOptions(settings=FP32, **options)
        self.before, self.pids, self.put = ours(), list[set[int]](), 0

    def bring(self, count: int) -> None:
        """The next cases come."""
        self.inbox.mkdir(exist_ok=True)
        for _ in range(count):
            shutil.copy(self.blobs / "images" / f"case{self.put}.nii.gz", self.inbox)
            self.put += 1

    def watch(self) -> int:
        """All rounds."""
        with Openings(lasting=True) as self.openings:
            failed = watch(self.inbox, self.out, self._round, quiet=0.2)
        assert ours() - self.before == set()
        return failed

    def _round(self, listing: Listing) -> Predictions:
        done = predict_listed(self.folder, listing, self.out, self.options, openings=self.openings)
        self.pids.append(ours() - self.before)
        if not self.between:
            raise KeyboardInterrupt
        self.between.pop(0)(self)
        self.bring(2)
        return done


def test_rounds_find_the_processes_of_the_model_and_write_what_one_run_writes(folder, blobs, tmp_path):
    def kill_one(rounds: Rounds) -> None:
        os.kill(min(rounds.pids[-1]), signal.SIGKILL)

    rounds = Rounds(folder, blobs, tmp_path, lambda rounds: None, kill_one, workers=2)
    rounds.bring(2)
    assert rounds.watch() == 0
    first, second, third = rounds.pids
    assert len(first) == len(third) == 2
    assert first == second
    assert first & third == {max(first)}
    assert list(pd.read_csv(rounds.out / "timings.csv")["attempts"]) == [1] * 6
    medseg.predict(folder, rounds.inbox, tmp_path / "plain", jobs=0, **FP32)
    told = {name: content for name, content in contents(rounds.out).items() if name != "run.json"}
    assert told == {name: content for name, content in contents(tmp_path / "plain").items() if name != "run.json"}


def test_a_model_that_was_exchanged_between_rounds_is_opened_anew(folder, blobs, tmp_path):
    seen = []

    def exchange(rounds: Rounds) -> None:
        with read_ledger(rounds.out) as ledger:
            seen.append((ledger.last_run().model, (rounds.out / "case0" / "mask.nii.gz").read_bytes()))
        _exchange(folder)

    rounds = Rounds(folder, blobs, tmp_path, exchange, jobs=0)
    rounds.bring(1)
    assert rounds.watch() == 0
    medseg.predict(folder, rounds.inbox, tmp_path / "plain", jobs=0, **FP32)
    mask = (rounds.out / "case0" / "mask.nii.gz").read_bytes()
    assert mask == (tmp_path / "plain" / "case0" / "mask.nii.gz").read_bytes() != seen[0][1]
    with read_ledger(rounds.out) as ledger:
        assert ledger.last_run().model == medseg.load_model(folder, **FP32).hash != seen[0][0]


def test_a_process_that_dies_at_work_never_goes_on_with_another_model(folder):
    with closing(Remote(Opening(folder, FP32), lasting=True)) as remote, closing(Watch(Limits())) as limits:
        (worker,) = remote.workers(limits, room.Shared(), 1)
        _exchange(folder)
        worker.submit("no question")
        os.kill(worker.pid, signal.SIGKILL)
        while not isinstance(worker.outcome(), Crashed):  # it may have answered before
            worker.submit("no question")
        with pytest.raises(ModelFolderError, match="not the model that it was"):
            worker.prepare()
        until(lambda: not remote.waits())


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_a_model_in_this_process_is_kept_too(folder):
    asked = Opening(folder, {**FP32, "precision": "auto", "backend": "auto", "portable": False, "speed": "normal"})
    with Openings(lasting=True) as openings:
        model, facts = openings.here(asked)
        assert openings.here(asked)[0] is model
        as_before = Opening(folder, pinned(asked.settings, facts.settings), threads=facts.threads)
        assert openings.here(as_before)[0] is model
        assert openings.here(Opening(folder, {**asked.settings, "portable": True}))[0] is not model
        model, facts = openings.here(asked)
        _exchange(folder)
        assert openings.here(asked)[1].hash != facts.hash


def test_what_is_done_here_has_its_threads_and_gives_them_back(folder, blobs, tmp_path, threads):
    with Openings(lasting=True) as openings:
        for count in (1, 2):
            cases = medseg.datasets.cases_from_inputs([blobs / "images"])[:count]
            options = BatchOptions(jobs=0, settings=FP32)
            predict_listed(folder, lambda channels, cases=cases: cases, tmp_path / "out", options, openings=openings)
            assert torch.get_num_threads() == threads
    with read_ledger(tmp_path / "out") as ledger:
        assert ledger.counts() == {"done": 2}
    assert list(pd.read_csv(tmp_path / "out" / "timings.csv")["attempts"]) == [1, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="children of another process are found in /proc")
def test_what_waits_for_the_next_round_ends_with_the_command(folder, blobs, tmp_path):
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    shutil.copy(blobs / "images" / "case0.nii.gz", inbox)
    words = ["predict", folder, inbox, "--out", out, "--precision", "fp32", "--jobs", "1", "--watch", "--quiet", "0.2"]
    with subprocess.Popen([sys.executable, "-m", "medseg", *map(str, words)]) as command:
        until(lambda: (out / "cases.csv").is_file() and len(_children(command.pid)) == 1)
        (waiting,) = _children(command.pid)
        command.send_signal(signal.SIGINT)
        assert command.wait(30) == 0
        until(lambda: not Path(f"/proc/{waiting}").exists())
