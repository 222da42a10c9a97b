"""The ledger: what was entered is there after any death of its writer, and there is one writer at a time."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from medseg.case import Case
from medseg.errors import InputError, OutputError
from medseg.ledger import (
    NAME,
    Entry,
    Listing,
    Planned,
    Rules,
    Run,
    Todo,
    digest,
    fingerprint,
    open_ledger,
    outputs_of,
    read_ledger,
    sort_out,
)
from medseg.ledger.entries import DONE, FAILED, QUEUED, RUNNING, SKIPPED
from medseg.ledger.summary import running

RUN = Run(model="m", settings_hash="s", asked={"backend": "auto"}, settings={"backend": "torch", "overlap": 0.1})


def planned(number: int, **changes) -> Planned:
    told = {"columns": {"arm": "B"}, "fingerprint": f"f{number}", "model": "m", "settings": "s"}
    return Planned(f"case{number}", number, f"p{number}", (f"in/case{number}.nii",), **told | changes)


def finished(plan: Planned, **changes) -> Entry:
    told = {"state": DONE, "seconds": {"reading": 0.1 + 0.2}, "peak_mib": 12.5, "warnings": ("a", "b; c"), "count": 2}
    more = {"facts": {"kvp": "120"}, "regions": b"\0\1packed", "outputs": {"case/mask.nii.gz": (3, "ab")}}
    return Entry(**vars(plan), **told | more | changes)


def entered(out: Path, plans: list[Planned]) -> None:
    with open_ledger(out) as ledger:
        ledger.begin_run(RUN)
        ledger.enter(plans, [Todo(plan) for plan in plans])


def test_what_is_entered_is_read_back_exactly_and_in_order(tmp_path):
    plans = [planned(2), planned(0), planned(1)]
    entered(tmp_path, plans)
    with open_ledger(tmp_path) as ledger:
        ledger.begin(["case0", "case1"])
        ledger.end(finished(planned(0)))
        ledger.end(finished(planned(1), state=FAILED, error="no", advice="mend", regions=None, outputs={}))
    with read_ledger(tmp_path) as ledger:
        first, second, third = ledger.entries()
        assert ledger.counts() == {DONE: 1, FAILED: 1, QUEUED: 1}
        assert replace(ledger.known()["case0"], regions=b"\0\1packed") == first
        assert ledger.last_run() == RUN
    assert first == finished(planned(0), attempts=1)
    assert (second.error, second.advice, second.attempts) == ("no", "mend", 1)
    assert third == Entry(**vars(planned(2)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]


def test_attempts_are_counted_lost_and_given_back(tmp_path):
    entered(tmp_path, [planned(0), planned(1)])
    with open_ledger(tmp_path) as ledger:
        ledger.begin(["case0", "case1"])
        ledger.lose(["case0"])
        ledger.give_back(["case1"])
        assert [(entry.state, entry.attempts) for entry in ledger.entries()] == [(QUEUED, 1), (QUEUED, 0)]
        with pytest.raises(ValueError, match="no end"):
            ledger.end(finished(planned(0), state=RUNNING))


def test_cases_that_a_run_does_not_name_are_kept_out_of_its_order(tmp_path):
    entered(tmp_path, [planned(0), planned(1)])
    with open_ledger(tmp_path) as ledger:
        ledger.end(finished(planned(1)))
        moved = planned(0, fingerprint="f1")
        ledger.enter([replace(planned(1), number=0, patient="other")], [])
        assert [(entry.case, entry.patient, entry.state) for entry in ledger.entries()] == [("case1", "other", DONE)]
        assert [entry.case for entry in ledger.entries(listed=False)] == ["case1", "case0"]
        ledger.enter([moved], [Todo(moved, 1)])
        assert [(entry.fingerprint, entry.attempts) for entry in ledger.entries()] == [("f1", 1)]


KILLED = """
import sys
from pathlib import Path
from medseg.ledger import Entry, Planned, Run, Todo, open_ledger
with open_ledger(Path(sys.argv[1])) as ledger:
    ledger.begin_run(Run())
    plans = [Planned(f"c{n}", n, "p", (), {}, "", "", "") for n in range(100_000)]
    ledger.enter(plans[:2000], [])
    print("entered", flush=True)
    for n in range(2000):
        ledger.begin([f"c{n}"])
        ledger.end(Entry(**vars(plans[n]), state="done", regions=bytes(5000), count=n))
        print(n, flush=True)
        if n == 150:
            ledger.enter(plans, [])
"""


@pytest.mark.parametrize("lines", [3, 60, 152])
def test_a_writer_that_is_killed_leaves_all_that_it_entered(tmp_path, lines):
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True) as writer:
        told = [writer.stdout.readline() for _ in range(lines)]
        time.sleep(0.02)
        writer.kill()
    with open_ledger(tmp_path) as ledger:
        entries = list(ledger.entries())
    assert len(entries) == 2000  # the transaction of 100,000 cases was cut short, and is not there at all
    done = [entry for entry in entries if entry.state == DONE]
    assert len(done) >= int(told[-1]) + 1
    assert all(entry.count == entry.number and entry.regions == bytes(5000) for entry in done)
    with sqlite3.connect(tmp_path / NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


HOLDING = """
import sys, time
from pathlib import Path
from medseg.ledger import open_ledger
with open_ledger(Path(sys.argv[1])):
    print("open", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_until_the_first_is_gone_however_it_went(tmp_path):
    entered(tmp_path, [planned(0)])
    with subprocess.Popen([sys.executable, "-c", HOLDING, tmp_path], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "open\n"
        with pytest.raises(OutputError, match=f"is in use by process {first.pid}"), open_ledger(tmp_path):
            pass
        with read_ledger(tmp_path) as ledger:
            assert ledger.counts() == {QUEUED: 1}
        first.kill()
    assert (tmp_path / "ledger.lock").exists()
    with open_ledger(tmp_path) as ledger:
        assert ledger.counts() == {QUEUED: 1}
        with pytest.raises(OutputError, match=f"process {os.getpid()}"), open_ledger(tmp_path):
            pass
    assert not (tmp_path / "ledger.lock").exists()


def test_where_there_are_no_system_locks_the_process_that_is_named_counts(tmp_path, monkeypatch):
    import errno

    from medseg.ledger import lock

    def none(fd: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(lock, "_system_lock", none)
    with subprocess.Popen([sys.executable, "-c", HOLDING, tmp_path], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "open\n"
        with pytest.raises(OutputError, match=f"process {first.pid}"), open_ledger(tmp_path):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
        with open_ledger(tmp_path):
            pass


def test_what_is_no_ledger_is_refused(tmp_path):
    with pytest.raises(InputError, match=NAME), read_ledger(tmp_path):
        pass
    (tmp_path / NAME).write_bytes(b"something else" * 100)
    for opened in (open_ledger, read_ledger):
        with pytest.raises(InputError, match="cannot be read"), opened(tmp_path):
            pass
    (tmp_path / NAME).unlink()
    with open_ledger(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="format 99"), open_ledger(tmp_path):
        pass
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(OutputError, match="cannot be written"), open_ledger(tmp_path / "file"):
        pass


def test_a_ledger_of_the_first_medseg_is_brought_to_ours_by_who_writes(tmp_path):
    entered(tmp_path, [planned(0)])
    with open_ledger(tmp_path) as ledger:
        ledger.end(finished(planned(0)))
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("DROP INDEX cases_by_state")
    connection.execute("ALTER TABLE cases DROP COLUMN changed")
    connection.execute("ALTER TABLE runs DROP COLUMN machine")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(InputError, match=r"older format.*--export"), read_ledger(tmp_path):
        pass
    assert (tmp_path / NAME).read_bytes() == before
    with open_ledger(tmp_path) as ledger:
        assert list(ledger.entries()) == [finished(planned(0))]
        ledger.begin(["case0"])
    with read_ledger(tmp_path) as ledger:
        assert ledger.last_run() == RUN
        assert [case for case, _attempt, _since in running(ledger)] == ["case0"]


def test_another_programs_file_is_refused_and_stays_as_it_was(tmp_path):
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("CREATE TABLE messages (text TEXT)")
    connection.close()
    before = (tmp_path / NAME).read_bytes()
    for opened in (open_ledger, read_ledger):
        with pytest.raises(InputError, match="is no ledger"), opened(tmp_path):
            pass
    assert (tmp_path / NAME).read_bytes() == before


def test_a_full_disk_is_told_from_other_failures(tmp_path):
    with open_ledger(tmp_path) as ledger:
        ledger._connection.execute("PRAGMA max_page_count = 12")
        with pytest.raises(OutputError) as raised:
            ledger.enter([planned(n) for n in range(5000)], [])
        assert raised.value.errno == 28
        assert list(ledger.entries()) == []


def test_a_fingerprint_is_of_the_files_and_not_of_their_place(tmp_path):
    def made(root: Path) -> Case:
        (root / "study").mkdir(parents=True)
        for name in ("b.dcm", "a.dcm"):
            (root / "study" / name).write_bytes(b"abc")
            os.utime(root / "study" / name, ns=(5, 7))
        return Case("a", "p", (root / "study",))

    first, second = made(tmp_path / "one"), made(tmp_path / "two")
    found = fingerprint(first, Listing())
    assert found == fingerprint(second, Listing())
    inside = replace(first, images=(Path(f"{first.images[0]}:/1.2.3/1"),))
    spaced = replace(first, spacing_mm=(0.5,))
    os.utime(second.images[0] / "a.dcm", ns=(5, 8))
    changed = fingerprint(second, Listing())
    (second.images[0] / "c.dcm").write_bytes(b"")
    more = fingerprint(second, Listing())
    gone = fingerprint(Case("a", "p", (tmp_path / "nowhere.nii",)), Listing())
    assert len({found, fingerprint(inside, Listing()), fingerprint(spaced, Listing()), changed, more, gone}) == 6


def test_the_voxels_beside_a_header_belong_to_its_fingerprint(tmp_path):
    (tmp_path / "a.mhd").write_text("header")
    (tmp_path / "a.raw").write_bytes(b"12")
    case = Case("a", "a", (tmp_path / "a.mhd",))
    before = fingerprint(case, Listing())
    (tmp_path / "a.raw").write_bytes(b"123")
    assert fingerprint(case, Listing()) != before


def test_hashes_of_outputs_and_settings(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mask.png").write_bytes(b"abc")
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert outputs_of(tmp_path, [tmp_path / "c" / "mask.png"]) == {"c/mask.png": (3, sha)}
    assert digest({"a": 1, "b": (2, 3)}) == digest({"b": [2, 3], "a": 1}) != digest({"a": 1})


def test_what_is_missing_or_changed_is_done_again_and_nothing_else():
    plans = [planned(n) for n in range(8)]
    known = {
        "case0": finished(plans[0]),
        "case1": finished(replace(plans[1], fingerprint="older")),
        "case2": finished(plans[2], outputs={}),
        "case3": finished(plans[3], state=FAILED),
        "case4": finished(plans[4], state=RUNNING, attempts=1),
        "case5": finished(plans[5], state=RUNNING, attempts=5),
        "case6": finished(replace(plans[6], settings="older")),
    }

    def sorted_out(rules: Rules):
        work = sort_out(plans, known, rules, lambda entry: bool(entry.outputs))
        return work, [(todo.plan.number, todo.attempts) for todo in work.todo]

    work, todo = sorted_out(Rules())
    assert todo == [(1, 0), (2, 0), (4, 1), (6, 0), (7, 0)]
    assert [lost.plan.number for lost in work.lost] == [5]
    assert work.kept == {DONE: [0], FAILED: [3], SKIPPED: []}
    assert work.again == {"changed input": 1, "outputs missing": 1, "other settings": 1}
    work, todo = sorted_out(Rules(retry_failed=True))
    assert todo == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 0), (6, 0), (7, 0)]
    assert not work.lost
    assert (5, 5) in sorted_out(Rules(attempts=3))[1]
    assert sorted_out(Rules(redo=True))[1] == [(n, 0) for n in range(8)]
    work, todo = sorted_out(Rules(redo=frozenset({"case0", "case3", "case5"})))
    assert [number for number, _attempts in todo] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert work.again == {"changed input": 1, "outputs missing": 1, "other settings": 1}
    nameless = [replace(plan, model="") for plan in plans]
    assert len(sort_out(nameless, {"case0": finished(nameless[0])}, Rules(), lambda _: True).todo) == 8
