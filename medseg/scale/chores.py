"""What the process of a worker does with a task: read, segment, measure, write, and tell what came of it."""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.errors import OutputError
from medseg.line.child import portable
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening, opened_apart
from medseg.line.outcomes import Outcome
from medseg.line.pace import Pace
from medseg.line.place import Place
from medseg.line.segmenting import Ask, Local, segment
from medseg.line.stage import Here
from medseg.line.stages import Line, Stages
from medseg.line.tasks import Finishing, finish, read, ready_to_finish, ready_to_read
from medseg.reporting import Silent
from medseg.scale.lease import Mark, Noted
from medseg.scale.terms import Chore, Paused

__all__ = ["Bench", "do", "ready"]


@dataclass(frozen=True)
class Bench:
    """Where a process works.

    Args:
        opening: How it opens the model.
        cwd: Where paths are relative to.
    """

    opening: Opening
    cwd: Path


class _Away(Exception):  # noqa: N818  (a way out of the stages, no error of anybody's)
    """OUT is full or away."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def ready(bench: Bench) -> tuple[Local, Facts]:
    """Open the model; what segments, and what is told of it."""
    os.chdir(bench.cwd)
    local, facts = opened_apart(bench.opening)
    ready_to_read(None)
    ready_to_finish(Finishing(bench.cwd))
    if bench.opening.threads is not None:
        import SimpleITK

        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(bench.opening.threads)
    return local, facts


def do(local: Local, told: tuple[Chore, Path]) -> list[Outcome] | Paused:
    """What came of each case of a task.

    Args:
        local: The model.
        told: The task, and where its mark is.

    Raises:
        OutputError: OUT cannot be written, and waiting will not mend it.
    """
    chore, path = told
    out = chore.finishing.out
    try:
        place, mark = Place(out, Silent(), nullcontext), Mark(path)
    except OSError as error:
        gone = OSError(errno.ENOENT, "it is gone")
        return Paused(OutputError(out, f"cannot be reached ({error.strerror})", "Mount its disk again.", error=gone))
    slip = _Slip(place)
    with closing(mark):
        line = _told_line(local, chore, mark)
        stages = Stages(line, chore.finishing, Pace(len(chore.jobs), 0), Limits(), slip, Interrupts())
        try:
            with closing(stages):
                stages.run([chore.jobs], among=chore.among)
        except _Away as away:
            return Paused(away.error)
        mark.note(Noted("ended"))
    return slip.outcomes


class _Slip:
    """The `Book` of one task: what ended is kept, and a disk that is away ends it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.outcomes: list[Outcome] = []

    def began(self, cases: Sequence[Case]) -> None:
        """The run has entered it."""

    def lost(self, case: Case) -> None:
        """Never here: what takes this process down tells nobody."""

    def given_back(self, cases: Sequence[Case]) -> None:
        """The run enters it."""

    def dropped(self, cases: Sequence[Case]) -> None:
        """The run enters it."""

    def ended(self, outcome: Outcome) -> None:
        """It is finished, or has failed."""
        error = None if outcome.error is None else portable(outcome.error)
        self.outcomes.append(replace(outcome, error=error))

    def there(self) -> bool:
        """Whether OUT is the folder that it was when the task began."""
        return self._place.there()

    def wait(self, error: Exception) -> None:
        """The run waits, and gives the task out again."""
        raise _Away(error)


def _told_line(local: Local, chore: Chore, mark: Mark) -> Line:
    """The stages, each of which notes what it is at."""
    number = {job.case.id: job.number for job in chore.jobs}
    facts: dict[str, dict[str, str]] = {}
    among = chore.among

    def reading(options: Any, case: Case) -> Any:
        mark.note(Noted("reading", (number[case.id],), among, facts))
        image = read(options, case)
        facts[str(number[case.id])] = dict(image.facts)
        return image

    def segmenting(model: Local, ask: Ask) -> Any:
        nonlocal among
        among = ask.among
        mark.note(Noted("segmenting", tuple(number[case.id] for case in ask.cases), among, facts))
        return segment(model, ask)

    def writing(how: Finishing, work: Any) -> Any:
        mark.note(Noted("measuring or writing", (number[work[0].id],), among, facts))
        return finish(how, work)

    def here(function: Callable[[Any, Any], Any], given: Any) -> Here:
        return Here(function, given, nullcontext)

    return Line(here(reading, chore.finishing.reading), here(segmenting, local), here(writing, chore.finishing))
