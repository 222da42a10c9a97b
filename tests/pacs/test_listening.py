"""Studies pushed to the listener: segmented when complete, joined by what comes late, removed when done and sent."""

import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pydicom
import pytest

from medseg.case import Case
from medseg.datasets import cases_below
from medseg.datasets.inbox import Unit
from medseg.pacs.archive import Stored
from medseg.pacs.nodes import Node
from medseg.pacs.opening import open_archive
from medseg.pacs.receiving import Door
from medseg.pacs.sending import send_missing
from medseg.reporting import Silent
from medseg.workflow import listening_aftermath
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.listening import Keeping, listen
from medseg.workflow.listening_aftermath import Aftermath
from medseg.workflow.listening_rounds import Rounds
from medseg.workflow.pacs_book import open_book
from medseg.workflow.pacs_sending import Delivery

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def _us(port: int, who: str = "SENDER", attempts: int = 1) -> Node:
    way = {"host": "127.0.0.1", "port": port, "ae": "MEDSEG", "our_ae": who, "attempts": attempts, "timeout": 10}
    return Node.model_validate({"name": "medseg", "dimse": way})


def _once(out: Path, push=lambda port: None, **more: object) -> int:
    """One life of the listener, in this process: it ends when what lay there at its start is done."""
    keeping = Keeping(quiet=0.2, keep=more.pop("keep", 3600.0), least_free=0)
    door = Door("MEDSEG", 0, ("SENDER",))
    options = BatchOptions(jobs=0)
    return listen("classical:otsu", out, door, options, keeping=keeping, once=True, listening=push, **more)


def _push(files: list[Path]):
    return lambda port: send_missing(open_archive(_us(port)), files)


def test_a_pushed_study_is_segmented_when_nothing_more_comes(studies, tmp_path):
    files = sorted(studies.rglob("*.dcm"))
    assert _once(tmp_path / "out", _push(files)) == 0
    cases = pd.read_csv(tmp_path / "out" / "cases.csv", dtype=str)
    assert sorted(cases["patient"]) == ["PAT0000", "PAT0001", "PAT0002", "PAT0003"]
    assert set(cases["status"]) == {"done"}
    masks = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/mask.nii.gz")}
    assert len(masks) == 4
    assert _once(tmp_path / "out", _push(files[:5])) == 0  # some of it comes once more
    assert {path: path.stat().st_mtime_ns for path in masks} == masks


def test_a_study_that_is_done_is_removed_and_keeps_its_rows(studies, tmp_path):
    out = tmp_path / "out"
    received = out / "archive" / "received"
    first, second = (sorted((studies / f"PAT000{number}").glob("*.dcm")) for number in (0, 1))
    _once(out, _push(first), keep=0.0)
    assert not [path for path in received.iterdir() if not path.name.startswith(".")]
    _once(out, _push(second), keep=0.0)
    assert len(pd.read_csv(out / "cases.csv")) == 2
    (out / "cases.csv").unlink()
    _once(out, _push(first))  # all of it again: known, and not done again
    assert len(pd.read_csv(out / "cases.csv")) == 2


def test_what_comes_late_joins_its_study_or_is_put_aside(studies, tmp_path):
    files = sorted((studies / "PAT0002").glob("*.dcm"), key=lambda path: pydicom.dcmread(path).InstanceNumber)
    out = tmp_path / "out"
    _once(out, _push(files[:3]))
    (mask,) = out.glob("*/mask.nii.gz")
    before = mask.stat().st_mtime_ns
    _once(out, _push(files[3:]))
    assert mask.stat().st_mtime_ns > before  # four slices now
    _once(out, keep=0.0)
    after = mask.stat().st_mtime_ns
    assert _once(out, _push(files[:2])) == 0
    assert mask.stat().st_mtime_ns == after
    assert len(list((out / "archive" / "late").rglob("*.dcm"))) == 2
    assert len(pd.read_csv(out / "cases.csv")) == 1


def test_nothing_is_removed_that_has_not_been_sent(studies, tmp_path):
    class Full:
        name = "full"

        def store(self, study, files):
            return Stored(set(), dict.fromkeys((pydicom.dcmread(path).SOPInstanceUID for path in files), "full"))

        def holds(self, study, series, uids):
            return set()

    from medseg.outputs.dicom.writing import Writing

    out = tmp_path / "out"
    options = BatchOptions(jobs=0, writing=Writing(("seg",), codes={"foreground": "lesion"}))
    keeping = Keeping(quiet=0.2, keep=0.0, least_free=0)
    push = _push(sorted((studies / "PAT0000").glob("*.dcm")))
    door = Door("MEDSEG", 0)
    listen("classical:otsu", out, door, options, keeping=keeping, once=True, listening=push, send=Full())
    assert len(list((out / "archive" / "received").rglob("*.dcm"))) == 4
    with open_book(out) as book:
        assert not book.unsent("full", {})


def test_a_study_that_grows_again_waits_and_is_never_done_by_half(studies, tmp_path):
    inbox = tmp_path / "out" / "archive" / "received"
    files = {number: sorted((studies / f"PAT000{number}").glob("*.dcm")) for number in (0, 1)}

    def bring(number: int, part: slice) -> str:
        for path in files[number][part]:
            one = pydicom.dcmread(path)
            home = inbox / one.StudyInstanceUID / one.SeriesInstanceUID
            home.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, home / f"{one.SOPInstanceUID}.dcm")
        return one.StudyInstanceUID

    names = [bring(0, slice(3)), bring(1, slice(4))]
    with open_book(tmp_path / "out") as book:
        options = BatchOptions(jobs=0)
        rounds = Rounds(Path("classical:otsu"), tmp_path / "out", options, Silent(), book, "purpose", threading.Lock())
        units = [Unit(name, (inbox / name,)) for name in names]
        rounds.settle(units)
        bring(0, slice(3, 4))  # while the round begins

        def listing(channels: int) -> list[Case]:
            return cases_below([inbox / name for name in names], inbox, Silent(), channels=channels)

        assert list(rounds.run(listing).cases["patient"]) == ["PAT0001"]
        rounds.settle(units[:1])
        assert sorted(rounds.run(listing).cases["patient"]) == ["PAT0000", "PAT0001"]
        assert book.instances(names[0]) == {pydicom.dcmread(path).SOPInstanceUID for path in files[0]}


def _aftermath(out: Path, book, send=None, told=None) -> Aftermath:
    reporter = Silent()
    reporter.say = (told if told is not None else []).append
    return Aftermath(out, book, "purpose", send, 3600.0, reporter, threading.Lock())


def test_what_a_killed_listener_was_removing_goes_and_what_came_meanwhile_stays(tmp_path):
    received = tmp_path / "archive" / "received"
    for name, uids in ((".gone-1.2", ("1.2.3.1",)), (".gone-1.5", ("1.5.1.1", "1.5.1.2"))):
        for uid in uids:
            path = received / name / "1.9" / f"{uid}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(uid)
    with open_book(tmp_path) as book:
        book.enter("1.2", "purpose", ["case"], ["1.2.3.1", "1.2.3.2"])  # the other one is removed already
        book.enter("1.5", "purpose", ["other"], ["1.5.1.1"])
        with _aftermath(tmp_path, book):
            pass
    assert [path.name for path in received.iterdir()] == ["1.5"]
    assert {path.stem for path in received.rglob("*.dcm")} == {"1.5.1.1", "1.5.1.2"}


def test_results_are_sent_after_an_error_that_nobody_foresaw(tmp_path, monkeypatch):
    told: list[str] = []
    sent = threading.Event()

    def deliver(*given: object) -> Delivery:
        if not told:
            raise ValueError("of a library")
        sent.set()
        return Delivery(sent=1)

    monkeypatch.setattr(listening_aftermath, "deliver", deliver)
    monkeypatch.setattr(listening_aftermath, "_PAUSE", 0.01)
    with open_book(tmp_path) as book, _aftermath(tmp_path, book, SimpleNamespace(name="hospital"), told):
        assert sent.wait(10)
    assert told[0] == "Results are not sent: unexpected ValueError; tried again"
    assert told[1] == "Sent 1 results to hospital"
