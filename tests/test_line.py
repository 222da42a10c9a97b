"""The line of processes: the same files as one process writes, a crash costs its own case, Ctrl-C loses nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from multiprocessing import Pipe
from pathlib import Path

import line_tasks
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan_3d, untrained_model

import medseg
from medseg import room
from medseg.batch import predict_cases
from medseg.case import Case
from medseg.datasets import cases_from_inputs
from medseg.errors import OutputError
from medseg.line.building import in_processes
from medseg.line.child import Raised, Start
from medseg.line.groups import Job
from medseg.line.interrupts import Interrupts
from medseg.line.jobs import jobs_for
from medseg.line.limits import Limits, Watch
from medseg.line.messages import receive, send
from medseg.line.pace import Pace
from medseg.line.stages import Stages
from medseg.line.tasks import Finishing
from medseg.line.worker import Crashed, Worker
from medseg.reporting import Silent

pytestmark = pytest.mark.skipif(not room.shareable(), reason="one process does everything here")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = untrained_model(tmp_path_factory.mktemp("model"), plan_3d(spacing_mm=(2.0, 2.0, 2.0)))
    return medseg.load_model(folder, precision="fp32")


@pytest.fixture(scope="module")
def cases(blobs):
    return cases_from_inputs([blobs / "images"])


def ours() -> set[int]:
    """Processes whose parent this one is."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return {int(pid) for pid in found.stdout.split() if Path(f"/proc/{pid}").exists()}


def contents(folder: Path) -> dict[str, bytes]:
    volatile = ("timings.csv", "ledger.sqlite", "run.html")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in volatile)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class Told:
    """A book that keeps what it hears."""

    def __init__(self):
        self.found, self.heard = {}, []

    def began(self, cases):
        self.heard += [("began", case.id) for case in cases]

    def lost(self, case):
        self.heard.append(("lost", case.id))

    def given_back(self, cases):
        self.heard += [("given back", case.id) for case in cases]

    def dropped(self, cases):
        self.heard += [("dropped", case.id) for case in cases]

    def ended(self, outcome):
        assert outcome.case.id not in self.found
        self.found[outcome.case.id] = outcome

    def there(self):
        return True

    def wait(self, error):
        raise error


def run_stages(model, cases, finishing, limits=None, pace=None, groups=None, **workers):
    """What the book heard of a batch over processes."""
    told, limits = Told(), limits or Limits()
    jobs = groups or [[Job(number, case)] for number, case in enumerate(cases)]
    with Interrupts() as interrupts, closing(Watch(limits)) as watch:
        line = in_processes(model, finishing, 1, room.Shared(), watch, **workers)
        with closing(Stages(line, finishing, pace or Pace(), limits, told, interrupts)) as stages:
            stages.run(jobs)
    return told


def test_processes_write_what_one_process_writes(model, cases, blobs, tmp_path):
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"not a gzip")
    mixed = [*cases[:3], Case("bad", "bad", (bad,)), *cases[3:6]]
    before = ours()
    one = predict_cases(model, mixed, tmp_path / "one", Silent(), jobs=0)
    several = predict_cases(model, mixed, tmp_path / "several", Silent(), jobs=2)
    pd.testing.assert_frame_equal(one.cases, several.cases)
    pd.testing.assert_frame_equal(one.regions, several.regions)
    assert contents(tmp_path / "one") == contents(tmp_path / "several")
    assert list(several.failed["case"]) == ["bad"]
    assert ours() - before == set()


def test_a_decoder_that_crashes_costs_its_own_case(model, cases, tmp_path):
    told = run_stages(model, cases[:6], Finishing(tmp_path), reading=("line_tasks", line_tasks.read_fatally.__name__))
    found = told.found
    failed = {case for case, outcome in found.items() if outcome.error is not None}
    assert failed == {"case1", "case4"}
    assert "SIGABRT" in str(found["case1"].error)
    assert "SIGKILL" in str(found["case4"].error)
    assert len(found) == 6
    begun = [case for what, case in told.heard if what == "began"]
    assert begun[:6] == [f"case{number}" for number in range(6)]
    assert sorted(begun[6:]) == sorted(case for what, case in told.heard if what == "lost") == ["case1", "case4"]


def test_a_writer_that_crashes_leaves_nothing_half_written(model, cases, tmp_path):
    name = line_tasks.finish_fatally.__name__
    found = run_stages(model, cases[:5], Finishing(tmp_path), writing=("line_tasks", name)).found
    assert [case for case, outcome in found.items() if outcome.error is not None] == ["case2"]
    assert "SIGSEGV" in str(found["case2"].error)
    assert list((tmp_path / "case2").iterdir()) == []
    assert len(list(tmp_path.glob("*/mask.nii.gz"))) == 4


def test_a_folder_that_cannot_be_written_ends_the_processes(model, cases, tmp_path):
    (tmp_path / "out").write_text("a file, not a folder")
    before = ours()
    with pytest.raises(OutputError, match="cannot be written"):
        predict_cases(model, cases, tmp_path / "out", Silent(), jobs=1)
    assert ours() - before == set()


def test_what_was_segmented_before_an_interrupt_has_its_files_and_rows(model, cases, tmp_path):
    class Impatient:
        """Ctrl-C while the fourth case is in the network, which is waited for."""

        labels = model.labels
        seen = 0

        def segment(self, image, *, probabilities=False):
            self.seen += 1
            if self.seen == 4:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.3)
            return model.segment(image, probabilities=probabilities)

    before = ours()
    for jobs in (0, 1):
        out = tmp_path / str(jobs)
        with pytest.raises(KeyboardInterrupt):
            predict_cases(Impatient(), cases, out, Silent(), jobs=jobs)
        rows = pd.read_csv(out / "cases.csv")
        assert list(rows["case"]) == ["case0", "case1", "case2", "case3"]
        assert sorted(path.parent.name for path in out.glob("*/mask.nii.gz")) == list(rows["case"])
        assert list(out.rglob(".*")) == []
        assert (out / "regions.csv").exists()
    assert ours() - before == set()


def test_processes_do_not_outlive_a_killed_parent(blobs):
    code = (
        "import os, signal, sys, time; from medseg.line.worker import Worker; from medseg.line.child import Start;"
        "workers = [Worker(Start(('medseg.line.tasks', 'read'))) for _ in range(2)];"
        "print(*(worker.pid for worker in workers), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    until = time.monotonic() + 15
    while any(_runs(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    """Whether a process computes; one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@given(st.integers(0, 40), st.sampled_from(["C", "F"]), st.sampled_from(["u1", "i2", "f4"]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_arrays_arrive_as_they_were_sent(side, order, kind, shared):
    here, there = Pipe()
    shape = (3, side, 40, 41)
    array = room.Block.made(10**7).array(shape, kind, order) if shared else np.empty(shape, kind, order)
    array[...] = np.arange(array.size).reshape(shape)
    view = array[:, ::-1, 2:, ::2]
    with here, there:
        send(here, {"view": view, "again": (view, 3)})
        got = receive(there)
    assert got["again"][1] == 3
    assert got["view"].dtype == view.dtype
    np.testing.assert_array_equal(got["view"], view)
    if shared and view.nbytes > 1 << 16:
        got["view"][...] = 7
        assert (view == 7).all()


def test_messages_longer_than_a_pipe_never_wait_for_the_reader():
    here, there = Pipe()
    with here, there:
        for _ in range(3):
            send(here, "x" * 10**7)
        assert all(receive(there) == "x" * 10**7 for _ in range(3))


def test_many_small_messages_never_wait_for_one_another():
    worker = Worker(Start(("operator", "add"), b"x" * 20_000))

    def submit() -> None:
        for _ in range(64):
            worker.submit(b"y" * 30_000)

    thread = threading.Thread(target=submit, daemon=True)
    thread.start()
    thread.join(30)
    try:
        assert not thread.is_alive()
        assert all(len(worker.outcome()) == 50_000 for _ in range(64))
    finally:
        worker.kill()


def test_an_outcome_that_cannot_be_sent_is_an_error_and_no_crash():
    worker = Worker(Start(("line_tasks", line_tasks.unsendable.__name__)))
    try:
        for message in (0, 1):
            worker.submit(message)
        first, second = worker.outcome(), worker.outcome()
    finally:
        worker.kill()
    assert isinstance(first, Raised)
    assert "pickle" in str(first.error)
    assert second == 1


def test_a_worker_tells_errors_from_crashes():
    worker = Worker(Start(("operator", "truediv"), 1.0))
    try:
        for message in (2, 0, "word", 4):
            worker.submit(message)
        first, second, third, fourth = (worker.outcome() for _ in range(4))
    finally:
        worker.kill()
    assert (first, fourth) == (0.5, 0.25)
    assert isinstance(second, Raised)
    assert isinstance(second.error, ZeroDivisionError)
    assert isinstance(third.error, TypeError)
    nowhere = Worker(Start(("medseg.no_such_module", "f")))
    nowhere.submit(1)
    try:
        assert isinstance(nowhere.outcome(), Crashed)
    finally:
        nowhere.kill()


def test_memory_goes_back_with_the_last_array(tmp_path):
    with room.using(room.Shared(tmp_path, 1000)):
        array = room.empty((1000, 1000), np.uint8)
    fd = room.block_of(array[3:]).fd
    assert list(tmp_path.iterdir()) == []
    os.fstat(fd)
    del array
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)
    assert room.block_of(room.empty((1000, 1000), np.uint8)) is None


def test_few_small_cases_start_no_process(cases, tmp_path):
    class Local(Case):
        """Of a script's own."""

    Local.__module__ = "__main__"
    assert jobs_for(cases, None) == 0
    assert jobs_for(cases, 3) == 3
    assert jobs_for(cases * 2, None) >= 1
    assert jobs_for(cases * 2, 0) == 0
    assert jobs_for([Local("a", "b", ())] * 20, 2) == 0
