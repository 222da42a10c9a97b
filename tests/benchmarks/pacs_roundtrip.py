"""Many small studies through a real archive (Orthanc), both ways, with kills; run by hand, as root on Linux.

    python tests/benchmarks/pacs_roundtrip.py [--studies 200] [--part web|listener]

web: all are pulled by DICOMweb, segmented by Otsu, their SEG and SR stored; the client is killed half way, and started
again. listener: the same are pushed by C-STORE from two senders at once; the listener is killed three times. In the end
every study must have its SEG (equal to its mask) and SR in the archive, once.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from archived_results import fill, objects_in, require_equal_masks
from orthanc_server import PASSWORD, Orthanc, running_orthanc
from small_studies import write_studies

from medseg.pacs.nodes import Node
from medseg.pacs.opening import open_archive
from medseg.pacs.sending import send_missing

PORT = 11201
WRITE = ["--write", "seg,sr", "--nodes", "nodes.yaml", "--codes", "codes.yaml"]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _prepare(folder: Path, orthanc: Orthanc) -> None:
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(PASSWORD)
    web = {"url": orthanc.url, "user": "medseg", "password_file": "password"}
    (folder / "nodes.yaml").write_text(json.dumps({"orthanc": {"web": web}}))
    (folder / "codes.yaml").write_text("foreground: lesion\n")


def _start(folder: Path, words: list[str]) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "medseg", *words]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """It, and the processes of its line, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _until(there: Callable[[], bool], process: "subprocess.Popen[bytes]", seconds: float = 1800) -> None:
    end = time.monotonic() + seconds
    while not there():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"it ended, or took too long: exit code {process.poll()}")
        time.sleep(0.05)


def web(folder: Path, orthanc: Orthanc, studies: Path, count: int) -> None:
    """Pull, segment, store; killed half way."""
    files = fill(orthanc, studies)
    words = ["predict", "classical:otsu", f"dicomweb+{orthanc.url}?Modality=CT", "--out", "out", "--store", *WRITE]
    began = time.perf_counter()
    process = _start(folder, words)
    _until(lambda: len(objects_in(orthanc, "SEG")) >= count // 2, process)
    _kill(process)
    there = {kind: len(objects_in(orthanc, kind)) for kind in ("SEG", "SR")}
    _say(f"web: killed with {there} in the archive, after {time.perf_counter() - began:.1f} s")
    process = _start(folder, words)
    code = process.wait()
    seconds = time.perf_counter() - began
    if code:
        raise SystemExit(f"exit code {code}: {(folder / 'log').read_text()[-2000:]}")
    require_equal_masks(orthanc, folder / "out", count)
    _say(f"web: {count} studies ({len(files)} instances), each SEG equal to its mask, one SR each; {seconds:.1f} s")


def _received(out: Path) -> int:
    """Instances in the queue; of a folder that is removed meanwhile none."""
    return sum(name.endswith(".dcm") for *_, names in os.walk(out / "archive" / "received") for name in names)


def listener(folder: Path, orthanc: Orthanc, studies: Path, count: int) -> None:
    """Push from two senders; the listener is killed three times."""
    files = sorted(studies.rglob("*.dcm"))
    words = ["listen", "classical:otsu", "--out", "out", "--ae", "MEDSEG", "--port", str(PORT), *WRITE]
    words += ["--allow", "ONE", "--allow", "TWO", "--quiet", "2s", "--keep", "1s", "--send", "orthanc"]
    problems: list[str] = []

    def push(who: str, half: int) -> None:
        way = {"host": "127.0.0.1", "port": PORT, "ae": "MEDSEG", "our_ae": who, "attempts": 200, "timeout": 20}
        node = Node.model_validate({"name": "medseg", "dimse": way})
        archive = open_archive(node, wait=lambda seconds: time.sleep(min(seconds, 1.0)))
        own = [path for path in files if int(path.parent.name[3:]) % 2 == half]
        try:
            problems.extend(map(str, send_missing(archive, own).refused.values()))
        except Exception as error:
            problems.append(repr(error))

    senders = [threading.Thread(target=push, args=one) for one in (("ONE", 0), ("TWO", 1))]
    received = folder / "out" / "archive" / "received"
    process = _start(folder, words)
    began = time.perf_counter()
    for sender in senders:
        sender.start()
    for share in (0.25, 0.6):
        _until(lambda share=share: _received(folder / "out") >= share * len(files), process)
        _kill(process)
        _say(f"listener: killed with {_received(folder / 'out')} of {len(files)} instances received")
        process = _start(folder, words)
    for sender in senders:
        sender.join()
    if problems:
        raise SystemExit(f"refused: {problems[:3]}")
    _say(f"listener: all {len(files)} instances acknowledged after {time.perf_counter() - began:.1f} s")
    _until(lambda: len(objects_in(orthanc, "SR")) >= count // 2, process)
    _kill(process)
    _say(f"listener: killed with {len(objects_in(orthanc, 'SEG'))} SEG in the archive")
    process = _start(folder, words)
    _until(lambda: len(objects_in(orthanc, "SR")) >= count and not list(received.glob("[0-9]*")), process)
    process.send_signal(signal.SIGINT)
    if process.wait(120):
        raise SystemExit((folder / "log").read_text()[-2000:])
    require_equal_masks(orthanc, folder / "out", count)
    _say(f"listener: {count} studies, each SEG equal to its mask, one SR each; {time.perf_counter() - began:.1f} s")


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--part", choices=["web", "listener"])
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what it starts behind
    for part in (web, listener):
        if options.part not in (None, part.__name__):
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            studies = write_studies(folder / "studies", options.studies)
            (folder / "orthanc").mkdir()
            with running_orthanc(folder / "orthanc") as orthanc:
                _prepare(folder, orthanc)
                part(folder, orthanc, studies, options.studies)


if __name__ == "__main__":
    main()
