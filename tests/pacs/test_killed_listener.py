"""Two senders push at once, the listener is killed: nothing is lost, and nothing done or sent twice."""

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

from medseg.pacs.nodes import Node
from medseg.pacs.opening import open_archive
from medseg.pacs.sending import send_missing

# pynetdicom leaves the socket of a connection that came to nothing to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PORT = 11200


def _us(port: int, who: str = "SENDER", attempts: int = 1) -> Node:
    way = {"host": "127.0.0.1", "port": port, "ae": "MEDSEG", "our_ae": who, "attempts": attempts, "timeout": 10}
    return Node.model_validate({"name": "medseg", "dimse": way})


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
        _until(lambda: (tmp_path / "log").read_text().count("Listening as") == 3)  # and so hears Ctrl-C
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
