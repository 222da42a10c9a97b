"""An inbox is followed: what has stopped growing is predicted, what goes away keeps its rows, Ctrl-C is an end."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from plans import plan_3d, untrained_model
from typer.testing import CliRunner

import medseg
from medseg.batch import Predictions
from medseg.cli import app
from medseg.errors import ConfigError, InputError
from medseg.reporting import Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.predicting import predict_listed
from medseg.workflow.watching import Listing, watch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return untrained_model(tmp_path_factory.mktemp("model"), plan_3d(spacing_mm=(2.0, 2.0, 2.0)))


@pytest.fixture(scope="module")
def model(folder):
    return medseg.load_model(folder, precision="fp32")


class Rounds(Silent):
    """Predicts each round, and does what a test wants after it; keeps what is said."""

    def __init__(self, model, out: Path, *after) -> None:
        self.model, self.out, self.after, self.said, self.rounds = model, out, list(after), [], []

    def say(self, text):
        self.said.append(text)

    def __call__(self, listing: Listing) -> Predictions:
        done = predict_listed(self.model, listing, self.out, BatchOptions(jobs=0))
        self.rounds.append(dict(zip(done.cases["case"], done.cases["status"], strict=True)))
        self.after.pop(0)()
        return done


def _stop():
    raise KeyboardInterrupt


def _put(blobs: Path, number: int, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(blobs / "images" / f"case{number}.nii.gz", to)
    return to


def test_round_after_round_until_ctrl_c(model, blobs, tmp_path):
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    _put(blobs, 0, inbox / "a" / "x.nii.gz")
    _put(blobs, 1, inbox / "b.nii.gz.part")

    def second():
        shutil.rmtree(inbox / "a")  # taken away when it was done
        (inbox / "b.nii.gz.part").rename(inbox / "b.nii.gz")
        (inbox / "broken.nii.gz").write_bytes(b"nothing")
        (inbox / "bad.zip").write_bytes(b"nothing")

    rounds = Rounds(model, out, second, _stop)
    assert watch(inbox, out, rounds, quiet=0.3, reporter=rounds) == 2
    assert rounds.rounds[0] == {"a_x": "done"}
    assert rounds.rounds[1] == {"a_x": "done", "b": "done", "bad": "failed", "broken": "failed"}
    again = Rounds(model, out, _stop)
    _put(blobs, 2, inbox / "c.nii.gz")
    watch(inbox, out, again, quiet=0.3, reporter=again)
    assert again.rounds[0] == {**rounds.rounds[1], "c": "done"}
    table = pd.read_csv(out / "timings.csv").set_index("case")["attempts"]
    assert table["a_x"] == table["b"] == table["c"] == 1


def test_an_inbox_that_is_away_is_waited_for(model, blobs, tmp_path, monkeypatch):
    inbox, pauses = tmp_path / "inbox", []

    def sleep(seconds, real=medseg.workflow.watching.time.sleep):
        pauses.append(seconds)
        if len(pauses) == 3:
            _put(blobs, 0, inbox / "x.nii.gz")
        real(min(seconds, 0.2))

    monkeypatch.setattr("medseg.workflow.watching.time.sleep", sleep)
    rounds = Rounds(model, tmp_path / "out", _stop)
    assert watch(inbox, tmp_path / "out", rounds, quiet=0.3, reporter=rounds) == 0
    said = " ".join(rounds.said)
    assert said.index("Waiting:") < said.index("Going on:") < said.index("Taken: x.nii.gz")
    assert said.count("Waiting:") == 1


def test_once_takes_what_lies_there_and_leaves_what_grows(model, blobs, tmp_path):
    inbox = tmp_path / "inbox"
    _put(blobs, 0, inbox / "x.nii.gz")
    _put(blobs, 1, inbox / "study" / "y.nii.gz")
    (inbox / "study" / "more.part").touch()
    rounds = Rounds(model, tmp_path / "out", lambda: None)
    assert watch(inbox, tmp_path / "out", rounds, quiet=0.3, once=True, reporter=rounds) == 0
    assert rounds.rounds == [{"x": "done"}]
    assert "Left, since they were still growing: study (1)" in rounds.said


def test_loose_slices_are_left_and_told(model, ct_studies, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for path in sorted(ct_studies.rglob("*.dcm"))[:2]:
        shutil.copy(path, inbox / f"{path.stem}.dcm")
    rounds = Rounds(model, tmp_path / "out", lambda: None)
    watch(inbox, tmp_path / "out", rounds, quiet=0.3, once=True, reporter=rounds)
    assert rounds.rounds == [{}]
    assert any("slices lie loose" in text for text in rounds.said)


def test_what_cannot_be_watched_is_refused(model, tmp_path):
    run = Rounds(model, tmp_path / "out")
    with pytest.raises(InputError, match="is not there"):
        watch(tmp_path / "absent", tmp_path / "out", run, once=True)
    with pytest.raises(ConfigError, match="lies in the inbox"):
        watch(tmp_path, tmp_path / "out", run)


def test_the_command_lists_and_follows(folder, blobs, tmp_path):
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    _put(blobs, 0, inbox / "x.nii.gz")
    words = ["predict", str(folder), str(inbox), "--out", str(out), "--precision", "fp32"]
    done = CliRunner().invoke(app, [*words, "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "1 cases: 1 to do" in done.output
    assert "time unknown" in done.output
    assert not out.exists()
    done = CliRunner().invoke(app, [*words, "--watch", "--once", "--quiet", "0.3s"])
    assert done.exit_code == 0, done.output
    assert (out / "x" / "mask.nii.gz").is_file()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    done = CliRunner().invoke(app, [*words, "--dry-run"])
    assert "1 done; nothing to do" in done.output
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
