"""The same piece of work for every case: over the processors, in order, with a say in what an unreadable case does."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import pandas as pd

from medseg.atomic import write_csv
from medseg.case import Case
from medseg.errors import ConfigError, DatasetError, InputError, TrainingError
from medseg.reporting import Reporter

__all__ = ["CaseWork", "Done", "for_each_case"]

T = TypeVar("T")
_PATIENCE = 20.0  # seconds of work left that are worth starting processes for, which takes about five


@dataclass(frozen=True)
class CaseWork:
    """How cases are worked through.

    Args:
        text: What the progress bar says.
        jobs: Processes; `None` for one a processor.
        unreadable: Whether a case that cannot be read stops the work or is left out with a warning.
        record: CSV of the cases left out and why; written only where there are such.
    """

    text: str
    jobs: int | None = None
    unreadable: Literal["stop", "leave_out"] = "stop"
    record: Path | None = None


@dataclass(frozen=True, eq=False)
class Done(Generic[T]):
    """What came of it: the cases that could be read with their results, in order, and why others were left out."""

    cases: list[Case] = field(default_factory=list)
    results: list[T] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def for_each_case(function: Callable[[Case], T], cases: Sequence[Case], work: CaseWork, reporter: Reporter) -> Done[T]:
    """Work through cases, here as long as that is quicker than starting processes, in processes beyond.

    Args:
        function: Takes a case; both it and its results have to be picklable, and results small.
        cases: In the order of the results.
        work: How.
        reporter: Told of the progress, and of each case left out.

    Raises:
        InputError: A case cannot be read and `unreadable` is "stop", or none of them can.
        TrainingError: A process was killed at work on a case, which is named.
        Exception: Whatever else the function raised, with a note that names the case.
    """
    done: Done[T] = Done()
    outcomes = _outcomes(partial(_attempt, function), cases, work.jobs)
    for case, outcome in zip(reporter.track(cases, work.text, len(cases)), outcomes, strict=True):
        if isinstance(outcome, InputError):
            if work.unreadable == "stop":
                raise outcome
            done.left_out[case.id] = str(outcome)
            reporter.say(f"Warning: {case.id} is left out: {outcome}")
        else:
            done.cases.append(case)
            done.results.append(outcome)
    if done.left_out and work.record is not None:
        rows = {"case": list(done.left_out), "reason": list(done.left_out.values())}
        write_csv(work.record, pd.DataFrame(rows))
    if done.left_out and not done.cases:
        reason = next(iter(done.left_out.values()))
        raise DatasetError(work.text, f"none of {len(cases)} cases can be read ({reason})", "See `medseg inspect`.")
    return done


def _attempt(function: Callable[[Case], T], case: Case) -> T | InputError:
    """The result, or the error of a case that cannot be read; anything else says which case it was."""
    try:
        return function(case)
    except ConfigError:
        raise
    except InputError as error:
        return error
    except Exception as error:
        error.add_note(f"while working on case {case.id}")
        raise


def _outcomes(attempt: Callable[[Case], Any], cases: Sequence[Case], jobs: int | None) -> Iterator[Any]:
    began = time.monotonic()
    for number, case in enumerate(cases):
        rest = len(cases) - number
        if number == 1:
            began = time.monotonic()  # the first case also loads the libraries
        elif jobs != 1 and rest > 1 and (time.monotonic() - began) / max(number - 1, 1) * rest > _PATIENCE:
            yield from _in_processes(attempt, cases[number:], jobs)
            return
        yield attempt(case)


def _in_processes(attempt: Callable[[Case], Any], cases: Sequence[Case], jobs: int | None) -> Iterator[Any]:
    """Outcomes in order. Where a case takes its process down, the rest are tried one in a process."""
    from joblib import Parallel, cpu_count, delayed

    done = 0
    workers = min(jobs or cpu_count(), len(cases))
    try:
        for outcome in Parallel(n_jobs=workers, return_as="generator")(delayed(attempt)(case) for case in cases):
            done += 1
            yield outcome
    except BrokenProcessPool:
        for case in cases[done:]:
            try:
                yield from Parallel(n_jobs=2)([delayed(attempt)(case)])
            except BrokenProcessPool as error:
                found = "working on it ended its process: out of memory, or a defect"
                raise TrainingError(case.id, found, "Set jobs=1, or take the case out.") from error
