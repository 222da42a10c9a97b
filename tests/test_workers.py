"""Several networks at once: they share the machine, agree to the last bit, and none that cannot begin ends the run."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import line_tasks
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plans import LEVELS_3D, plan_3d, untrained_model
from test_line import Told, contents, ours

import medseg
from medseg import room
from medseg.datasets import cases_from_inputs
from medseg.errors import ConfigError, InputError, MedsegError, ModelFolderError
from medseg.ledger import read_ledger
from medseg.line import limits as line_limits
from medseg.line.building import in_processes
from medseg.line.child import Start
from medseg.line.groups import Job
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Limits, Watch
from medseg.line.network import Facts, Opening, opened, pinned
from medseg.line.pace import Pace
from medseg.line.remote import Remote
from medseg.line.stage import Pool
from medseg.line.stages import Line, Stages
from medseg.line.tasks import Finishing
from medseg.line.worker import Worker

pytestmark = pytest.mark.skipif(not room.shareable(), reason="one process does everything here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return untrained_model(tmp_path_factory.mktemp("model"), plan_3d(spacing_mm=(2.0, 2.0, 2.0)))


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_two_networks_write_what_one_writes(folder, blobs, tmp_path):
    before = ours()
    torch_threads = torch.get_num_threads()
    one = medseg.predict(folder, blobs / "images", tmp_path / "one", jobs=0, precision="fp32")
    two = medseg.predict(folder, blobs / "images", tmp_path / "two", workers=2, precision="fp32")
    pd.testing.assert_frame_equal(one.regions, two.regions)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert ours() - before == set()
    assert torch.get_num_threads() == torch_threads
    again = medseg.predict(folder, blobs / "images", tmp_path / "two", jobs=0, precision="fp32")
    with read_ledger(tmp_path / "two") as ledger:
        assert ledger.counts() == {"done": 10}
    assert list(pd.read_csv(tmp_path / "two" / "timings.csv")["attempts"]) == [1] * 10  # nothing was done again
    assert again.regions.equals(two.regions)


@pytest.mark.parametrize("options", [{"jobs": 0}, {"max_memory": "8GiB"}, {"cluster": "local"}, {"workers": 0}])
def test_workers_that_cannot_be_are_refused(folder, blobs, tmp_path, options):
    with pytest.raises(ConfigError, match="workers"):
        medseg.predict(folder, blobs / "images", tmp_path / "out", **{"workers": 2, **options})


def test_workers_of_an_opened_model_are_refused(folder, blobs, tmp_path):
    with pytest.raises(ConfigError, match="workers"):
        medseg.predict(medseg.load_model(folder), blobs / "images", tmp_path / "out", workers=2)


@pytest.mark.usefixtures("threads")
def test_processors_are_shared_and_a_light_network_takes_one(folder, monkeypatch):
    opening = Opening(folder, {"device": "cpu", "precision": "fp32"}, cores=6)
    of = {workers: opened(Opening(folder, opening.settings, cores=6, workers=workers))[1] for workers in (2, 4)}
    assert [of[workers].threads for workers in (2, 4)] == [3, 1]
    kind = type(opened(opening)[0].model)
    for light, threads, fit in ((True, 1, 6), (False, 6, 1)):
        monkeypatch.setattr(kind, "is_light", light)
        facts = opened(opening)[1]
        assert (facts.threads, facts.fit) == (threads, fit)
    assert opened(Opening(folder, opening.settings, threads=5, cores=6))[1].threads == 5  # as in the run before


def test_a_network_is_light_by_its_operations_a_voxel(tmp_path):
    def opened_with(*features):
        plan = plan_3d(network=LEVELS_3D.model_copy(update={"features": features}))
        return medseg.load_model(untrained_model(tmp_path / str(features[0]), plan))

    assert opened_with(4, 8, 8).is_light
    assert not opened_with(32, 64, 64).is_light


def test_networks_are_spread_over_gpus_and_counted_by_cases(folder, monkeypatch):
    facts = Facts(
        medseg.Labels.from_config({"a": 1}), hash="h", settings={"backend": "torch"}, fit=3, devices=3, threads=2
    )
    started = []

    class Idle:
        """A process that was never started."""

        def __init__(self, start, watch=None):
            started.append(start.given)

        def prepare(self):
            return facts

        def kept_to(self, watch, start):
            return self

        def kill(self):
            pass

    monkeypatch.setattr("medseg.line.remote.Worker", Idle)
    remote = Remote(Opening(folder, {"device": "auto", "backend": "auto", "precision": "auto"}))
    assert [remote.count(cases) for cases in (1, 4, 8, 100)] == [1, 1, 2, 3]
    with closing(Watch(Limits())) as watch:
        assert len(remote.workers(watch, room.Shared(), 100)) == 3
    assert [given.settings["device"] for given in started] == ["auto", "cuda:1", "cuda:2"]
    assert [given.settings["backend"] for given in started] == ["auto", "torch", "torch"]
    assert [(given.threads, given.hash) for given in started] == [(None, ""), (2, "h"), (2, "h")]


def test_what_auto_chose_is_pinned_and_nothing_else():
    settings = {"backend": "auto", "precision": "bf16", "speed": "fast"}
    assert pinned(settings, {"backend": "onnx", "precision": "fp32"}) == {**settings, "backend": "onnx"}


def test_a_model_that_is_exchanged_under_a_run_is_refused(folder):
    with pytest.raises(ModelFolderError, match="not the model that it was"):
        opened(Opening(folder, {"precision": "fp32"}, threads=torch.get_num_threads(), hash="another"))


def test_a_network_that_cannot_begin_leaves_its_work_to_the_others(blobs, tmp_path):
    cases, told, said = cases_from_inputs([blobs / "images"])[:5], Told(), []
    good = Start(("line_tasks", line_tasks.segment_nothing.__name__), {"a": 1})
    bad = Start(good.function, good.given, prepare=("line_tasks", line_tasks.never_ready.__name__))
    with Interrupts() as interrupts, closing(Watch(Limits())) as watch:
        line = in_processes(None, Finishing(tmp_path, masks_only=True), 1, room.Shared(), watch)
        line = Line(line.readers, Pool([Worker(good, watch), Worker(bad, watch)], said.append), line.writers)
        with closing(Stages(line, Finishing(tmp_path, masks_only=True), Pace(), Limits(), told, interrupts)) as stages:
            stages.run([[Job(number, case)] for number, case in enumerate(cases)])
    assert {case: outcome.error for case, outcome in told.found.items()} == {case.id: None for case in cases}
    assert len(said) == 1
    assert "no room on this GPU" in said[0]


def test_a_model_that_hangs_while_it_opens_is_ended(monkeypatch):
    monkeypatch.setattr(line_limits, "_OPENING", 1.0)
    start = Start(("operator", "add"), 1, prepare=("line_tasks", line_tasks.never_opens.__name__), name="runs/model")
    with closing(Watch(Limits(timeout=0.5))) as watch:
        worker = Worker(start, watch)
        began = time.monotonic()
        try:
            with pytest.raises(MedsegError, match=r"runs/model.*could not begin.*--timeout"):
                worker.prepare()
        finally:
            worker.kill()
    assert 0.9 < time.monotonic() - began < 30


SIGTERMS = """
import signal
import pytest
from medseg.line.interrupts import Interrupts, Terminated

with Interrupts() as interrupts:
    signal.raise_signal(signal.SIGTERM)  # noted
    with pytest.raises(Terminated), interrupts.heard():
        pass
    with pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)  # while it drains
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
with pytest.raises(Terminated), Interrupts():
    signal.raise_signal(signal.SIGTERM)  # comes after the last heard block and is not swallowed
"""


def test_sigterm_waits_for_a_heard_block_and_a_second_one_for_nothing():
    """In a process of its own, as libraries that other tests loaded may have taken the signal in this one."""
    subprocess.run([sys.executable, "-c", SIGTERMS], check=True)


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))
def test_every_network_has_work_and_no_more_wait_than_before(group, ahead, networks, writers):
    pace = Pace(group, ahead)
    behind = pace.cases_behind(networks, writers)
    assert behind >= group * (networks - 1)  # with a group in each other network one more may go in
    assert pace.groups_read(writers, networks) >= networks
    assert pace.cases_behind(1, writers) == max(group * (ahead - 1), writers)
    assert Pace(group, 0).cases_behind(networks, writers) == 0


TERMINATED = """
import os, sys
sys.argv = ["medseg", "predict", *sys.argv[1:]]
from medseg.cli import main
main()
"""


@pytest.mark.parametrize("jobs", [0, 1])
def test_sigterm_drains_and_the_same_command_goes_on(blobs, tmp_path, jobs):
    images, out, method = tmp_path / "images", tmp_path / "out", "classical:otsu"  # which loads no torch
    images.mkdir()
    for number in range(30):
        os.link(blobs / "images" / f"case{number % 10}.nii.gz", images / f"case{number}.nii.gz")
    words = ["-c", TERMINATED, method, str(images), "--out", str(out), "--jobs", str(jobs)]
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    with subprocess.Popen([sys.executable, *words], **told) as process:
        until = time.monotonic() + 120
        while time.monotonic() < until and not done_in(out):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGTERM)  # the whole group, as batch systems do it
        said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 143, said
    rows = pd.read_csv(out / "cases.csv")
    assert 1 <= len(rows) < 30
    assert set(rows["status"]) == {"done"}
    assert list(out.rglob(".mask*")) == []
    medseg.predict(method, images, out, jobs=0)
    medseg.predict(method, images, tmp_path / "whole", jobs=0)
    assert masks_and_tables(out) == masks_and_tables(tmp_path / "whole")
    assert pd.read_csv(out / "timings.csv")["attempts"].eq(1).all()


def masks_and_tables(folder) -> dict[str, bytes]:
    """Without the card of the run, which tells the command."""
    return {name: content for name, content in contents(folder).items() if name != "run.json"}


def done_in(out) -> int:
    try:
        with read_ledger(out) as ledger:
            return int(ledger.counts().get("done", 0))
    except InputError:
        return 0
