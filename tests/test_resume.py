"""A run that is killed goes on where it was: nothing is done twice, and every byte is that of an undisturbed run."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import plan_3d, untrained_model
from test_line import contents

import medseg
from medseg.batch import predict_cases
from medseg.datasets import cases_from_inputs
from medseg.errors import InputError
from medseg.ledger import read_ledger
from medseg.line.limits import Limits
from medseg.line.packing import packed, unpacked
from medseg.reporting import Silent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return untrained_model(tmp_path_factory.mktemp("model"), plan_3d(spacing_mm=(2.0, 2.0, 2.0)))


class Counting:
    """A model that counts what it segments, and knows its hash."""

    def __init__(self, model):
        self.model, self.labels, self.hash, self.asked = model, model.labels, model.hash, 0
        self.seen = []

    def segment(self, image, *, probabilities=False):
        self.asked += 1
        self.seen.append(Path(image.source).name)
        return self.model.segment(image, probabilities=probabilities)


class Noting(Silent):
    """Keeps what is said; calls `then` with how many cases are done."""

    def __init__(self, then=lambda done: None):
        self.said, self.then = [], then

    def say(self, text):
        self.said.append(text)

    def advance(self, text, done, total, note=""):
        self.then(done)


@pytest.fixture
def counting(folder):
    return Counting(medseg.load_model(folder, precision="fp32"))


@pytest.fixture
def studies(blobs, tmp_path):
    """Four good studies and a bad one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        (folder / f"case{number}.nii.gz").write_bytes((blobs / "images" / f"case{number}.nii.gz").read_bytes())
    (folder / "bad.nii.gz").write_bytes(b"not a gzip")
    return folder


def test_only_what_is_missing_or_changed_is_done_again(counting, studies, tmp_path):
    def run(**options):
        before, reporter = counting.asked, Noting()
        cases = cases_from_inputs([studies])
        done = predict_cases(counting, cases, tmp_path / "out", reporter, jobs=0, **options)
        return counting.asked - before, done, reporter.said

    asked, first, _ = run()
    files = contents(tmp_path / "out")
    assert asked == 4
    asked, again, said = run()
    assert asked == 0
    assert said == ["Resuming: 4 of 5 cases were done before, 1 have failed (--retry-failed tries them again)"]
    pd.testing.assert_frame_equal(first.regions, again.regions)
    pd.testing.assert_frame_equal(first.cases, again.cases)
    assert contents(tmp_path / "out") == files
    os.utime(studies / "case1.nii.gz", (1, 1))
    (tmp_path / "out" / "case3" / "mask.nii.gz").unlink()
    assert run()[0] == 2
    assert contents(tmp_path / "out") == files
    assert run(min_voxels=3)[0] == 4
    assert run(min_voxels=3, redo=True)[0] == 4
    (studies / "case4.nii.gz").write_bytes((studies / "case0.nii.gz").read_bytes())
    assert run(min_voxels=3)[0] == 1
    counting.hash = "another"
    asked, _, said = run(min_voxels=3)
    assert asked == 5
    assert "5 cases are done again: another model" in said[-1] or "6 cases are done again: another model" in said


def test_what_failed_is_tried_again_when_that_is_asked_for(counting, studies, tmp_path):
    class Failing(Counting):
        def segment(self, image, *, probabilities=False):
            if self.asked == 0:
                self.asked = 1
                raise InputError("image", "not today", "Come again.")
            return super().segment(image, probabilities=probabilities)

    cases, failing = cases_from_inputs([studies / "case0.nii.gz", studies / "case1.nii.gz"]), Failing(counting.model)
    failing.hash = counting.hash
    assert list(predict_cases(failing, cases, tmp_path / "out", Silent()).failed["case"]) == ["case0"]
    assert list(predict_cases(failing, cases, tmp_path / "out", Silent()).failed["case"]) == ["case0"]
    assert predict_cases(failing, cases, tmp_path / "out", Silent(), retry_failed=True).failed.empty
    whole = predict_cases(counting, cases, tmp_path / "whole", Silent())
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert len(whole.cases) == 2


RUN = """
import sys
import medseg
if __name__ == "__main__":
    medseg.predict(sys.argv[1], sys.argv[2], sys.argv[3], jobs=int(sys.argv[4]))
"""


def killed_after(done: int, *words) -> None:
    """Run the script and kill it when so many cases are finished."""
    out = words[2]
    with subprocess.Popen([sys.executable, "-c", RUN, *map(str, words)]) as parent:
        until = time.monotonic() + 120
        while parent.poll() is None and time.monotonic() < until:
            try:
                with read_ledger(out) as ledger:
                    if ledger.counts().get("done", 0) >= done:
                        break
            except InputError:
                pass
            time.sleep(0.002)
        parent.kill()


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_run_that_is_killed_again_and_again_ends_as_an_undisturbed_one(blobs, tmp_path, jobs):
    images, out, method = blobs / "images", tmp_path / "out", "classical:otsu"  # starts without torch
    for done in (1, 5):
        killed_after(done, method, images, out, jobs)
        with read_ledger(out) as ledger:
            counts = ledger.counts()
        assert counts["done"] >= done
        assert sum(counts.values()) == 10
    reporter = Noting()
    medseg.predict(method, images, out, jobs=0, reporter=reporter)
    medseg.predict(method, images, tmp_path / "whole", jobs=0)
    assert any("were done before" in said for said in reporter.said)
    assert contents(out) == contents(tmp_path / "whole")
    assert pd.read_csv(out / "timings.csv")["attempts"].between(1, 3).all()


def test_a_folder_that_goes_away_is_waited_for(counting, blobs, tmp_path):
    out, away = tmp_path / "out", tmp_path / "away"
    timers = []

    def then(done):
        if done == 3 and not timers:
            out.rename(away)
            timers.append(threading.Timer(1.0, lambda: away.rename(out)))
            timers[0].start()

    reporter, cases = Noting(then), cases_from_inputs([blobs / "images"])[:6]
    done = predict_cases(counting, cases, out, reporter, jobs=0)
    assert (done.cases["status"] == "done").all()
    assert [said.split(":")[0] for said in reporter.said] == ["Waiting", "Going on"]
    predict_cases(counting, cases, tmp_path / "whole", Silent(), jobs=0)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_case_whose_every_attempt_was_lost_with_the_run_fails(counting, studies, tmp_path):
    cases, out = cases_from_inputs([studies]), tmp_path / "out"
    predict_cases(counting, cases, out, Silent(), jobs=0)
    from medseg.ledger import open_ledger

    with open_ledger(out) as ledger:
        for _ in range(4):
            ledger.begin(["case0"])  # after the first time, and nobody says what came of it
    done = predict_cases(counting, cases, out, Silent(), jobs=0, limits=Limits(attempts=2))
    assert sorted(done.failed["case"]) == ["bad", "case0"]
    assert "every attempt ended with the run" in done.failed.set_index("case")["error"]["case0"]
    assert not list((out / "case0").iterdir())
    assert list(predict_cases(counting, cases, out, Silent(), retry_failed=True).failed["case"]) == ["bad"]


def test_one_command_retries_a_case_whose_every_attempt_was_lost_with_the_run(counting, studies, tmp_path):
    cases, out = cases_from_inputs([studies]), tmp_path / "out"
    predict_cases(counting, cases, out, Silent(), jobs=0)
    from medseg.ledger import open_ledger

    with open_ledger(out) as ledger:
        for _ in range(4):
            ledger.begin(["case0"])
    (out / "case2" / "mask.nii.gz").unlink()
    counting.seen.clear()
    done = predict_cases(counting, cases, out, Silent(), jobs=0, retry_failed=True)
    assert list(done.failed["case"]) == ["bad"]
    assert counting.seen == ["case2.nii.gz", "case0.nii.gz"]  # what may take the run down comes last


@given(
    st.lists(st.floats(allow_infinity=True) | st.just(float("nan")), min_size=1, max_size=5),
    st.text(max_size=4),
)
def test_a_packed_table_is_the_same_table(numbers, text):
    frame = pd.DataFrame(
        {
            "b": numbers,
            "text": [text] * len(numbers),
            "count": pd.array([None, *range(len(numbers) - 1)], dtype="Int64"),
            "whole": np.arange(len(numbers)),
            "flag": np.arange(len(numbers)) > 1,
            "small": np.arange(len(numbers), dtype=np.float32) / 3,
        }
    )
    for one in (frame, frame.iloc[:0]):
        pd.testing.assert_frame_equal(unpacked(packed(one)), one, check_exact=True)
