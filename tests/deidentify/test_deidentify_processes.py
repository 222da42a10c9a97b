"""Processes that are killed: the user's run, and one of its own."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tagged_objects import plain_object, save

from medseg.deidentify import Action, Profile, deidentify


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "report.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_that_is_killed_is_finished_by_the_next(tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    for number in range(100):
        save(plain_object(number=number), root / f"{number}.dcm")
    command = [sys.executable, "-m", "medseg", "deidentify", str(root), str(out), "--key", str(tmp_path / "key")]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ledger = out / "deidentified.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (ledger.exists() and len(ledger.read_bytes().splitlines()) > 20):
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    done = len(ledger.read_bytes().splitlines()) - 1
    assert 20 <= done < 100
    deidentify(root, out, key=tmp_path / "key")
    assert len(list(out.rglob("*.dcm"))) == 100
    assert not (out / ".partial").exists()
    assert [row["outcome"] for row in rows_of(out)] == ["done"] * 100
    deidentify(root, tmp_path / "whole", key=tmp_path / "key")
    for path in out.rglob("*.dcm"):
        assert path.read_bytes() == (tmp_path / "whole" / path.relative_to(out)).read_bytes()


class Deadly(Profile):
    """A profile that kills its process when it comes to an object with comments, as a broken decoder may."""

    def action(self, tag: int, vr: str) -> Action:
        if tag == 0x00204000:
            os._exit(9)
        return super().action(tag, vr)


def test_a_file_that_kills_its_process_is_a_row(tmp_path):
    for number in range(6):
        ds = plain_object(number=number)
        if number == 2:
            ds.ImageComments = "deadly"
        save(ds, tmp_path / "in" / f"{number}.dcm")
    found = deidentify(tmp_path / "in", tmp_path / "out", key=tmp_path / "key", profile=Deadly(), workers=2)
    assert found.summary["files"] == {"done": 5, "failed": 1}
    assert [(path.name, "process died" in reason) for path, reason in found.failures] == [("2.dcm", True)]
