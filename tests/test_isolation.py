"""A case that hangs, eats memory or kills its process costs itself; the others go on, the innocent are tried again."""

import os
import signal
from contextlib import closing

import line_tasks
import psutil
import pytest
from plans import plan_3d, untrained_model
from test_line import Told, contents, run_stages

import medseg
from medseg import room
from medseg.datasets import cases_from_inputs
from medseg.errors import ConfigError
from medseg.line.building import in_processes
from medseg.line.child import Start
from medseg.line.groups import Job
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Limits, Watch, seconds_of
from medseg.line.pace import Pace
from medseg.line.stage import Pool
from medseg.line.stages import Line, Stages
from medseg.line.tasks import Finishing
from medseg.line.worker import Worker
from medseg.reporting import Silent

pytestmark = pytest.mark.skipif(not room.shareable(), reason="one process does everything here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return untrained_model(tmp_path_factory.mktemp("model"), plan_3d(spacing_mm=(2.0, 2.0, 2.0)))


@pytest.fixture(scope="module")
def cases(blobs):
    return cases_from_inputs([blobs / "images"])


@pytest.mark.parametrize(
    ("task", "limits", "why"),
    [
        (line_tasks.read_never, Limits(attempts=2, timeout=3.0), "--timeout"),
        (line_tasks.read_greedily, Limits(attempts=1, memory=1 << 30), "--memory-limit"),
    ],
)
def test_a_case_beyond_its_limits_is_given_up_and_the_others_are_not(folder, cases, tmp_path, task, limits, why):
    model = medseg.load_model(folder, precision="fp32")
    told = run_stages(model, cases[:3], Finishing(tmp_path), limits, reading=("line_tasks", task.__name__))
    assert [case for case, outcome in told.found.items() if outcome.error is not None] == ["case1"]
    assert why in str(told.found["case1"].error)
    assert told.heard.count(("began", "case1")) == limits.attempts
    assert told.heard.count(("lost", "case1")) == limits.attempts - 1
    assert len(list(tmp_path.glob("*/mask.nii.gz"))) == 2


def test_a_case_that_had_to_wait_for_the_disk_is_kept_to_its_time(folder, cases, tmp_path, monkeypatch):
    monkeypatch.setattr(Told, "wait", lambda told, error: told.heard.append(("waited", "")))
    model, limits = medseg.load_model(folder, precision="fp32"), Limits(attempts=1, timeout=3.0)
    task = line_tasks.finish_when_there_is_room.__name__
    told = run_stages(model, cases[:3], Finishing(tmp_path), limits, writing=("line_tasks", task))
    assert told.heard.count(("waited", "")) == 1
    assert [case for case, outcome in told.found.items() if outcome.error is not None] == ["case1"]
    assert "--timeout" in str(told.found["case1"].error)


def test_of_a_group_that_kills_the_network_each_is_tried_alone(cases, tmp_path):
    told, finishing, limits = Told(), Finishing(tmp_path, masks_only=True), Limits()
    start = Start(("line_tasks", line_tasks.segment_fatally.__name__), {"a": 1})
    with Interrupts() as interrupts, closing(Watch(limits)) as watch:
        line = in_processes(None, finishing, 1, room.Shared(), watch)
        line = Line(line.readers, Pool([Worker(start, watch)]), line.writers)
        with closing(Stages(line, finishing, Pace(4), limits, told, interrupts)) as stages:
            stages.run([[Job(n, case, company=n == 3) for n, case in enumerate(cases[:4])], [Job(4, cases[4])]])
    failed = {case for case, outcome in told.found.items() if outcome.error is not None}
    assert failed == {"case2"}
    assert "SIGKILL" in str(told.found["case2"].error)
    notes = {case: outcome.notes for case, outcome in told.found.items() if outcome.error is None}
    # Alone, but with as many in the call as before, so that not a bit is another.
    assert notes == {"case0": ("1 of 4",), "case1": ("1 of 4",), "case4": ("1 of 1",)}
    assert told.heard.count(("given back", "case0")) == 1
    assert ("lost", "case0") not in told.heard
    assert told.heard.count(("lost", "case2")) == 1


class Killing(Silent):
    """Kills the network, which was started first, then a reader, then a writer, as cases are done."""

    def advance(self, text, done, total, note=""):
        # Only the batch's own: joblib's, which other tests have started, live on in this process.
        own = [child for child in psutil.Process().children() if any("medseg.line" in word for word in child.cmdline())]
        children = sorted(own, key=lambda child: child.pid)
        if done in (2, 4, 6) and children:
            os.kill(children[done // 2 - 1].pid, signal.SIGKILL)


def test_workers_that_are_killed_change_no_byte(blobs, tmp_path):
    method = "classical:otsu"  # starts again without torch
    plain = medseg.predict(method, blobs / "images", tmp_path / "plain", jobs=0)
    again = medseg.predict(method, blobs / "images", tmp_path / "out", jobs=1, reporter=Killing())
    assert (again.cases["status"] == "done").all()
    assert again.regions.equals(plain.regions)
    one, other = contents(tmp_path / "plain"), contents(tmp_path / "out")
    assert one == other


def test_times_are_read_in_words():
    assert [seconds_of(text) for text in ("30min", "90 s", "2h", 1.5)] == [1800, 90, 7200, 1.5]
    for wrong in ("soon", "0", "-1s", "3 weeks"):
        with pytest.raises(ConfigError, match="no time"):
            seconds_of(wrong)


def test_limits_need_processes(folder, blobs, tmp_path):
    with pytest.raises(ConfigError, match="jobs=1"):
        medseg.predict(folder, blobs / "images", tmp_path / "out", jobs=0, timeout="1min")
    with pytest.raises(ConfigError, match="attempts"):
        medseg.predict(folder, blobs / "images", tmp_path / "out", attempts=0)
