"""How a batch stands: while another process runs it, after that was killed, finished, and without a ledger."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from batch_runs import run, started, until
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import InputError, OutputError
from medseg.ledger import NAME, Lock, Planned, Run, Todo, holder, open_ledger, read_ledger
from medseg.ledger.entries import DONE, Entry
from medseg.ledger.summary import Failure
from medseg.outputs.durations import duration
from medseg.outputs.failure_groups import FailureGroup, failure_groups
from medseg.workflow.exporting import export_tables
from medseg.workflow.following import follow
from medseg.workflow.status_facts import Status

MEDSEG = CliRunner()


@pytest.fixture
def studies(blobs, tmp_path):
    """Four good studies and two bad ones, the first of them bad0."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        shutil.copy(blobs / "images" / f"case{number}.nii.gz", folder)
    for number in range(2):
        (folder / f"bad{number}.nii.gz").write_bytes(b"not a gzip")
    return folder


def told(out, *words):
    done = MEDSEG.invoke(app, ["status", str(out), *words])
    return done.exit_code, done.stdout


def test_a_finished_run_is_counted_timed_and_its_failures_have_one_reason(studies, tmp_path):
    run(studies, tmp_path / "out")
    found = medseg.status(tmp_path / "out")
    assert (found.state, found.counts, found.total) == ("finished", {"done": 4, "failed": 2}, 6)
    assert found.per_second > 0
    assert found.seconds_left is None
    assert {name: one.cases for name, one in found.stages.items()} == {"reading": 4, "network": 4, "writing": 4}
    assert all(0 <= one.median <= one.most for one in found.stages.values())
    (group,) = found.groups
    assert group.cases == ("bad0", "bad1")
    assert "not gzip" in group.reason
    assert "bad" not in group.reason
    assert group.advice
    code, text = told(tmp_path / "out")
    assert code == 1
    assert "4 done, 2 failed" in text
    assert text.count("not gzip") == 1
    assert told(tmp_path / "out", "--failed")[1].count("not gzip") == 2
    code, text = told(tmp_path / "out", "--json")
    assert json.loads(text)["groups"][0]["cases"] == ["bad0", "bad1"]


def test_all_done_is_exit_code_0(studies, tmp_path):
    for bad in studies.glob("bad*"):
        bad.unlink()
    run(studies, tmp_path / "out")
    assert told(tmp_path / "out")[0] == 0


def test_a_run_of_another_process_is_followed_and_not_disturbed_then_killed(studies, tmp_path):
    out = tmp_path / "out"
    process = started(studies, out, "case2")
    try:
        until(lambda: (out / NAME).is_file() and any(one.case == "case2" for one in medseg.status(out).at_work))
        found = medseg.status(out)
        assert found.state == "running"
        assert found.process == f"process {process.pid}"
        assert found.counts["done"] == 2
        assert found.counts["failed"] == 2
        assert found.seconds_left > 0
        (case,) = found.at_work
        assert (case.case, case.attempt) == ("case2", 1)
        until(lambda: medseg.status(out).at_work[0].seconds > case.seconds)
        with pytest.raises(OutputError, match=f"in use by process {process.pid}"):
            export_tables(out)
        looks = follow(out, 0.1)
        assert next(looks).state == "running"
        process.kill()
        process.wait()
        assert [look.state for look in looks][-1] == "killed"
    finally:
        process.kill()
        process.wait()
    found = medseg.status(out)
    assert (found.process, found.exit_code, found.seconds_left) == ("", 1, None)
    assert found.at_work == (replace(case, seconds=None),)
    assert not (out / "cases.csv").exists()
    code, text = told(out, "--export")
    assert code == 1
    assert "killed" in text
    assert len((out / "cases.csv").read_text().splitlines()) == 5
    run(studies, out)
    assert medseg.status(out).counts == {"done": 4, "failed": 2}


def test_the_writer_writes_while_a_reader_reads(tmp_path):
    plans = [Planned(f"c{number}", number, "p", (), {}, "f", "m", "s") for number in range(300)]
    with open_ledger(tmp_path) as ledger, read_ledger(tmp_path) as reader:
        ledger.begin_run(Run(model="m", settings_hash="s"))
        ledger.enter(plans, [Todo(plan) for plan in plans])
        for number, plan in enumerate(plans):
            ledger.begin([plan.case])
            ledger.end(Entry(**vars(plan), state=DONE, seconds={"network": 1.0}, peak_mib=float(number)))
            if number % 100 == 50:
                assert reader.counts()["done"] == number + 1
                found = medseg.status(tmp_path)
                assert found.counts == {"queued": 299 - number, "done": number + 1}
                assert (found.peak_case, found.peak_mib) == (f"c{number}", number)
                assert found.stages["network"].cases == number + 1
                assert holder(tmp_path).pid == os.getpid()


def test_a_ledger_that_has_no_tables_yet_is_that_of_a_run_which_begins(tmp_path):
    (tmp_path / NAME).touch()
    with Lock(tmp_path / "ledger.lock", tmp_path):
        assert medseg.status(tmp_path).state == "starting"
        assert medseg.verify(tmp_path).clean
        assert told(tmp_path)[0] == 0
    with pytest.raises(InputError, match="no such table"):
        medseg.status(tmp_path)


@pytest.mark.parametrize("ended", ["2026-01-01T09:00:00+00:00", None])
def test_a_run_that_looks_through_its_inputs_is_starting_and_followed(studies, tmp_path, ended):
    out = tmp_path / "out"
    run(studies, out)
    with closing(sqlite3.connect(out / NAME)) as connection, connection:  # a run of long ago, finished or killed
        connection.execute("UPDATE runs SET began = '2026-01-01T08:00:00+00:00', ended = ?", (ended,))
    before = medseg.status(out)
    assert before.state == ("killed" if ended is None else "finished")
    with open_ledger(out) as ledger:
        looks = follow(out, 0.01)
        found = next(looks)
        assert (found.state, found.process) == ("starting", f"process {os.getpid()}")
        assert (found.counts, found.per_second, found.seconds_left) == (before.counts, None, None)
        assert "a run is starting" in told(out)[1]
        number = ledger.begin_run(Run(model="m", settings_hash="s"))
        assert next(looks).state == "running"
        ledger.end_run(number)
        assert [look.state for look in looks] == ["finished"]
    assert medseg.status(out).state == "finished"


def test_a_run_that_starts_is_at_work_whatever_the_last_one_left():
    left = Status(Path("out"), "killed", counts={"queued": 2})
    assert left.exit_code == 1
    assert replace(left, state="starting").exit_code == 0


def test_a_lock_that_a_dead_process_left_is_nobodys(tmp_path):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    from socket import gethostname

    lock = tmp_path / "ledger.lock"
    lock.write_text(f"{int(gone.stdout)} {gethostname()}\n")
    assert holder(tmp_path) is None
    lock.write_text(f"{os.getpid()} {gethostname()}\n")
    assert holder(tmp_path).here
    os.utime(lock, (1e9, 1e9))  # before this process began: its number is that of another one
    assert holder(tmp_path) is None
    lock.write_text("7 elsewhere\n")
    assert str(holder(tmp_path)) == "process 7 on elsewhere (as its lock says)"
    lock.write_text("")
    assert holder(tmp_path) is None


def test_an_old_run_is_told_from_its_tables(tmp_path):
    (tmp_path / "cases.csv").write_text(
        "case,status,error,images\na,done,,a.nii\nb,failed,b.nii: is empty. Mend.,b.nii\n"
    )
    (tmp_path / "timings.csv").write_text("case,seconds\na,2.5\nb,1\n")
    found = medseg.status(tmp_path)
    assert (found.state, found.counts, found.exit_code) == ("no ledger", {"done": 1, "failed": 1}, 1)
    assert found.stages["in all"].mean == 2.5
    assert found.groups[0].reason == "is empty. Mend"
    assert told(tmp_path)[0] == 1


def test_what_is_no_run_is_refused(tmp_path):
    for folder, found in ((tmp_path, "neither"), (tmp_path / "nowhere", "no folder")):
        with pytest.raises(InputError, match=found):
            medseg.status(folder)
    (tmp_path / NAME).write_bytes(b"no ledger at all" * 300)
    with pytest.raises(InputError, match="cannot be read"):
        medseg.status(tmp_path)


def test_failures_are_grouped_without_names_paths_and_figures():
    failures = [
        Failure(f"p{n}", (f"/data/p{n}.nii.gz",), f"/data/p{n}.nii.gz: holds {n} of 9.5 planes. Fetch it.", "Fetch it.")
        for n in range(3)
    ]
    other = Failure("x", ("/data/x",), "x: while it was read it failed because 3. Convert.", "Convert.")
    assert failure_groups(
        [Failure("a", ("/my data/a b.zip::x/1.dcm",), "/my data/a b.zip::x/1.dcm: a was and is")]
    ) == [FailureGroup("… was and is", "", ("a",), "/my data/a b.zip::x/1.dcm: a was and is")]
    several, one = failure_groups([other, *failures])
    assert (several.reason, several.cases) == ("holds # of # planes", ("p0", "p1", "p2"))
    assert several.example == failures[0].error
    assert one.reason == "while it was read it failed because 3"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1234, "0.123 s"), (42.4, "42 s"), (59.9, "60 s"), (185, "3 min 5 s"), (7200, "2 h"), (100_000, "1 d 3 h")],
)
def test_a_duration_is_read_easily(seconds, words):
    assert duration(seconds) == words
