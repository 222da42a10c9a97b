"""Which studies of an inbox are taken, and when; time is a number here."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.datasets.inbox import Inbox


def _write(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def _taken(inbox: Inbox, now: float) -> list[str]:
    return [unit.name for unit in inbox.look(now).settled]


def test_a_study_is_taken_once_when_it_has_stopped_growing(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, 30)
    _write(tmp_path / "study" / "ct" / "1.dcm")
    assert _taken(inbox, 0) == []
    _write(tmp_path / "study" / "ct" / "2.dcm")
    assert _taken(inbox, 29) == []
    assert inbox.look(58).growing == ("study",)
    assert _taken(inbox, 59) == ["study"]
    assert _taken(inbox, 200) == []
    assert inbox.look(201).growing == ()


def test_a_file_that_grows_keeps_its_study_waiting(tmp_path: Path) -> None:
    inbox, file = Inbox(tmp_path, 10), _write(tmp_path / "a" / "x.nii.gz")
    for now in range(0, 40, 8):
        with file.open("ab") as more:
            more.write(b"1")
        assert _taken(inbox, now) == []
    assert _taken(inbox, 42) == ["a"]


def test_a_study_that_changes_after_it_was_taken_is_taken_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, 10)
    _write(tmp_path / "a" / "ct" / "1.dcm")
    inbox.look(0)
    assert _taken(inbox, 10) == ["a"]
    os.utime(_write(tmp_path / "a" / "ct" / "2.dcm").parent, ns=(1, 1))  # some clocks are coarse
    assert _taken(inbox, 20) == []
    assert _taken(inbox, 30) == ["a"]
    with (tmp_path / "a" / "ct" / "2.dcm").open("ab") as file:  # in place: seen when all files are looked at again
        file.write(b"1")
    for now in (629, 631):
        assert _taken(inbox, now) == []
    assert _taken(inbox, 641) == ["a"]


@pytest.mark.parametrize("ending", [".part", ".tmp", ".filepart", ".crdownload", "~"])
def test_names_of_files_under_way(tmp_path: Path, ending: str) -> None:
    inbox = Inbox(tmp_path, 5)
    _write(tmp_path / f"a.nii.gz{ending}")
    _write(tmp_path / "study" / "1.dcm")
    under_way = _write(tmp_path / "study" / f"2.dcm{ending}")
    _write(tmp_path / ".hidden" / "1.dcm")
    _write(tmp_path / "notes.txt")
    for now in range(0, 50, 10):
        assert _taken(inbox, now) == []
    under_way.rename(tmp_path / "study" / "2.dcm")
    (tmp_path / f"a.nii.gz{ending}").rename(tmp_path / "a.nii.gz")
    assert _taken(inbox, 60) == []
    assert _taken(inbox, 65) == ["a.nii.gz", "study"]


def test_channels_of_one_image_are_taken_together(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, 5)
    for name in ("case_0000.nii.gz", "case_0001.nii.gz", "scan.zip", "b.png"):
        _write(tmp_path / name)
    inbox.look(0)
    units = {unit.name: [path.name for path in unit.paths] for unit in inbox.look(5).settled}
    assert units == {"b.png": ["b.png"], "case": ["case_0000.nii.gz", "case_0001.nii.gz"], "scan.zip": ["scan.zip"]}


def test_an_inbox_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    root = tmp_path / "inbox"
    inbox = Inbox(root, 10)
    assert not inbox.look(0).there
    _write(root / "a" / "1.dcm")
    _write(root / "b" / "1.dcm")
    inbox.look(1)
    assert _taken(inbox, 11) == ["a", "b"]
    _write(root / "c" / "1.dcm")
    inbox.look(12)
    root.rename(tmp_path / "away")
    assert not inbox.look(15).there
    (tmp_path / "away").rename(root)
    assert _taken(inbox, 23) == []  # nobody saw it be quiet
    assert _taken(inbox, 25) == ["c"]


def test_an_empty_folder_is_no_study(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    inbox = Inbox(tmp_path, 1)
    inbox.look(0)
    look = inbox.look(5)
    assert (look.settled, look.growing) == ((), ())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=12))
def test_nothing_is_taken_within_the_quiet_time_of_a_change(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    root = tmp_path_factory.mktemp("inbox")
    inbox, now, changed = Inbox(root, 10), 0, {}
    for study, pause in changes:
        file = root / str(study) / "x.dcm"
        _write(file, (file.stat().st_size if file.exists() else 0) + 1)
        os.utime(file.parent, ns=(now + 1, now + 1))
        changed[str(study)] = now
        assert all(now - changed[name] >= 10 for name in _taken(inbox, now))
        now += pause
        assert all(now - changed[name] >= 10 for name in _taken(inbox, now))
    left = set(inbox.look(now).growing)
    assert {*_taken(inbox, now + 20)} == left
