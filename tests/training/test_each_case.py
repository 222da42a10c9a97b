"""Work over cases: in processes too, an error is itself and names its case. Nothing here loads torch."""

import os
import signal

import pytest

from medseg.case import Case
from medseg.errors import TrainingError, UnreadableFileError
from medseg.reporting import Silent
from medseg.training.each_case import CaseWork, for_each_case


def failing(case: Case) -> str:
    if case.id == "case2":
        raise ZeroDivisionError("a defect")
    if case.id == "case3":
        raise UnreadableFileError("x.nii", "is torn", "Copy it again.")
    return case.id


def dying(case: Case) -> str:
    if case.id == "case2":
        os.kill(os.getpid(), signal.SIGKILL)
    return case.id


CASES = [Case(f"case{i}", "p", ()) for i in range(5)]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("medseg.training.each_case._PATIENCE", -1.0)


def test_an_error_in_a_process_names_its_case_and_is_itself(impatient):
    with pytest.raises(ZeroDivisionError, match="a defect") as caught:
        for_each_case(failing, CASES, CaseWork("x", jobs=2), Silent())
    assert "while working on case case2" in caught.value.__notes__
    rest = [case for case in CASES if case.id != "case2"]
    done = for_each_case(failing, rest, CaseWork("x", jobs=2, unreadable="leave_out"), Silent())
    assert done.results == ["case0", "case1", "case4"]
    assert done.left_out == {"case3": "x.nii: is torn. Copy it again."}


def test_a_process_that_is_killed_names_its_case(impatient):
    with pytest.raises(TrainingError, match="case2: working on it ended its process"):
        for_each_case(dying, CASES, CaseWork("x", jobs=2), Silent())
