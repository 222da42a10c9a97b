"""A folder half full of rubbish, and a disk that fills: each study is accounted for, nothing is half-written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from broken_studies import BROKEN, write_good, write_studies
from test_line import contents

import medseg

_FILLING = """
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import medseg
from medseg.reporting import Silent

disk, studies = map(Path, sys.argv[1:3])


class Filling(Silent):
    '''Leaves not a byte when two cases are done.'''

    full = False

    def say(self, text):
        print(text.split(":")[0], flush=True)
        if text.startswith("Waiting"):
            self.waits()

    def advance(self, text, done, total, note=""):
        if done == 2 and not self.full:
            self.full = True
            with (disk / "ballast").open("wb", buffering=0) as ballast:
                for step in (1 << 16, 1 << 12, 1):
                    with suppress(OSError):
                        while True:
                            ballast.write(bytes(step))
"""
_MAKING_ROOM = """
class Patient(Filling):
    def waits(self):
        threading.Timer(1.0, (disk / "ballast").unlink).start()


done = medseg.predict("classical:otsu", studies, disk / "out", jobs=0, reporter=Patient())
print((done.cases["status"] == "done").all(), flush=True)
shutil.copytree(disk / "out", disk.parent / "kept")
"""
_ENDING = """
class Impatient(Filling):
    def waits(self):
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()


try:
    medseg.predict("classical:otsu", studies, disk / "out", jobs=int(sys.argv[3]), reporter=Impatient())
except KeyboardInterrupt:
    print("KeyboardInterrupt", flush=True)
(disk / "ballast").unlink()
done = medseg.predict("classical:otsu", studies, disk / "out", jobs=0)
print((done.cases["status"] == "done").all(), medseg.verify(disk / "out").clean, flush=True)
"""


def test_good_studies_are_done_and_each_broken_one_is_a_row_that_names_what_is_broken(tmp_path):
    studies = write_studies(tmp_path / "in", 2 * len(BROKEN), 0.5)
    done = medseg.predict("classical:otsu", tmp_path / "in", tmp_path / "out", jobs=0, masks_only=True).cases
    seen = set()
    for name, way in studies.items():
        stem = name.partition(".")[0]
        rows = done[done["case"].str.startswith(stem)]
        if way is None:
            assert list(rows["status"]) == ["done"], name
            assert (tmp_path / "out" / stem / "mask.nii.gz").is_file()
            continue
        errors = [error for error in rows["error"] if isinstance(error, str)]
        assert any(re.search(way.named, error.partition(": ")[2]) for error in errors), (way.what, errors)
        assert not any("unexpected" in error for error in errors)
        seen.add(way.what)
    assert seen >= {way.what for way in BROKEN} - {"no permission"}  # to root nothing is forbidden


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="to root nothing is forbidden")
def test_a_folder_that_may_not_be_opened_costs_itself(tmp_path):
    write_studies(tmp_path / "in", 2, 0)
    (tmp_path / "in" / "closed").mkdir(mode=0)
    done = medseg.predict("classical:otsu", tmp_path / "in", tmp_path / "out", jobs=0)
    assert list(done.failed["case"]) == ["closed"]
    assert "cannot be opened (Permission denied)" in done.failed["error"].iloc[0]


def _small_disk(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """A command below a memory file system of 8 MiB, which nobody else sees."""
    mount = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"'
    words = ["unshare", *([] if os.geteuid() == 0 else ["-r"]), "-m", "sh", "-c", mount, folder, *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


@pytest.fixture
def disk(tmp_path):
    """Where a small disk can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("unshare") is None or _small_disk(folder, sys.executable, "-c", "").returncode:
        pytest.skip("no small disk can be mounted here: it takes root, or user namespaces")
    return folder


@pytest.fixture
def studies(tmp_path):
    """Five good ones."""
    folder, rng = tmp_path / "in", np.random.default_rng(0)
    folder.mkdir()
    for number in range(5):
        write_good(folder / f"s{number}", rng, dicom=False)
    return folder


def test_a_full_disk_is_waited_for_and_no_byte_is_another(disk, studies, tmp_path):
    ended = _small_disk(disk, sys.executable, "-c", _FILLING + _MAKING_ROOM, disk, studies)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split("\n")[1:4] == ["Waiting", "Going on", "True"]
    medseg.predict("classical:otsu", studies, tmp_path / "whole", jobs=0)
    kept, whole = contents(tmp_path / "kept"), contents(tmp_path / "whole")
    assert kept == whole


@pytest.mark.parametrize("jobs", ["0", "1"])
def test_ctrl_c_twice_ends_a_run_that_waits_for_a_full_disk(disk, studies, jobs):
    ended = _small_disk(disk, sys.executable, "-c", _FILLING + _ENDING, disk, studies, jobs)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.split("\n")
    assert said.count("Waiting") == 2
    assert said[-4:] == ["Interrupted", "KeyboardInterrupt", "True True", ""]
