"""Studies pushed to the listener: segmented when complete, sent on, and none lost or done twice when it is killed."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from small_studies import write_studies

from medseg.pacs.archive import Stored
from medseg.pacs.nodes import Node
from medseg.pacs.opening import open_archive
from medseg.pacs.receiving import Door
from medseg.pacs.sending import send_missing
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.listening import Keeping, listen
from medseg.workflow.pacs_book import open_book

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PORT = 11200


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


def _start(tmp_path: Path, nodes: Path) -> subprocess.Popen[bytes]:
    words = ["listen", "classical:otsu", "--out", str(tmp_path / "out"), "--ae", "MEDSEG", "--port", str(PORT)]
    words += [
        "--allow",
        "ONE",
        "--allow",
        "TWO",
        "--quiet",
        "1s",
        "--keep",
        "1s",
        "--least-free",
        "1MiB",
        "--jobs",
        "0",
    ]
    words += ["--jobs", "0", "--write", "seg", "--codes", str(tmp_path / "codes.yaml")]
    words += ["--send", "orthanc", "--nodes", str(nodes)]
    log = (tmp_path / "log").open("ab")
    with log:
        return subprocess.Popen([sys.executable, "-m", "medseg", *words], stdout=log, stderr=log)


def _push_patiently(files: list[Path], who: str, problems: list[BaseException]) -> None:
    try:
        archive = open_archive(_us(PORT, who, attempts=60), wait=lambda seconds: time.sleep(min(seconds, 0.5)))
        assert not send_missing(archive, files).refused
    except BaseException as error:
        problems.append(error)


def test_two_senders_at_once_and_a_listener_that_is_killed(orthanc, node, tmp_path):
    studies = write_studies(tmp_path / "studies", 6)
    (tmp_path / "codes.yaml").write_text("foreground: lesion\n")
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text(f"orthanc: {{web: {{url: '{orthanc.url}', user: medseg, password_file: password}}}}\n")
    halves = [
        sorted(path for path in studies.rglob("*.dcm") if int(path.parent.name[-1]) % 2 == half) for half in (0, 1)
    ]
    problems: list[BaseException] = []
    senders = [
        threading.Thread(target=_push_patiently, args=(files, who, problems))
        for files, who in zip(halves, ("ONE", "TWO"), strict=True)
    ]
    process = _start(tmp_path, nodes)
    try:
        for sender in senders:
            sender.start()
        received = tmp_path / "out" / "archive" / "received"
        _until(lambda: len(list(received.rglob("*.dcm"))) >= 8)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = _start(tmp_path, nodes)
        for sender in senders:
            sender.join()
        assert problems == []
        _until(lambda: len(orthanc.found(Modality="SEG")) >= 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = _start(tmp_path, nodes)
        _until(lambda: len(orthanc.found(Modality="SEG")) >= 6)
        _until(lambda: not list(received.glob("[0-9]*")))
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
    cases = pd.read_csv(tmp_path / "out" / "cases.csv", dtype=str)
    assert sorted(cases["patient"]) == [f"PAT000{number}" for number in range(6)]
    local = sorted(pydicom.dcmread(path).SOPInstanceUID for path in (tmp_path / "out").glob("*/seg.dcm"))
    assert sorted(one["SOPInstanceUID"] for one in orthanc.found(Modality="SEG")) == local
    assert len(local) == 6


def _until(there, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)
