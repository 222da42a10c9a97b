"""A batch as stages that overlap: while the network is at one case, the next is read and the last is written."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from medseg.errors import OutputError
from medseg.line.book import Book
from medseg.line.course import Course
from medseg.line.files import discard
from medseg.line.groups import Batch, Group, Job, Taken
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Limits
from medseg.line.pace import Pace
from medseg.line.place import is_pause
from medseg.line.stage import Came, Stage
from medseg.line.steps import Reading, Segmenting, Writing
from medseg.line.tasks import Finishing

__all__ = ["Line", "Stages"]


@dataclass(frozen=True)
class Line:
    """The three stages."""

    readers: Stage
    network: Stage
    writers: Stage


class Stages:
    """Leads cases through the line. Queues are bounded.

    What takes its process down is tried again after the others, as often as the limits allow; of a group that shared
    a call of the network each case alone.

    Args:
        line: The stages.
        finishing: What is done with masks.
        pace: How much is under way at once.
        limits: What a case may take.
        book: Is told.
        interrupts: Ctrl-C.
    """

    def __init__(
        self, line: Line, finishing: Finishing, pace: Pace, limits: Limits, book: Book, interrupts: Interrupts
    ) -> None:
        self._line, self._interrupts = line, interrupts
        shares = finishing.out if finishing.probabilities else None
        self._course = Course(finishing.out, shares, pace, limits, book)
        self._stuck: list[tuple[Stage, Came]] = []
        self._writing = Writing(line.writers, self._course, lambda came: self._stuck.append((line.writers, came)))
        self._segmenting = Segmenting(line.network, self._course, self._writing.put)
        self._reading = Reading(line.readers, self._course)

    def run(self, groups: Iterable[Sequence[Job]], among: int = 1) -> None:
        """Work through the cases, group by group; `among` as in `medseg.line.segmenting.Ask`.

        On Ctrl-C what is in the network, or was there, is still written; a second one waits for nothing.

        Raises:
            OutputError: The folder cannot be written, and will not be.
            KeyboardInterrupt: As the user wished.
        """
        self._course.todo.extend(Group(list(jobs), among) for jobs in groups)
        try:
            self._work()
        except KeyboardInterrupt:
            self._course.draining = True
            self._line.readers.close()
            self._course.book.given_back(self._course.leave())
            self._work()
            raise

    def close(self) -> None:
        """End all processes; what is left of the cases under way is removed, and they are given back."""
        for stage in (self._line.readers, self._line.network, self._line.writers):
            stage.close()
        items = [*self._line.network.items, *self._line.writers.items, *(came.item for _, came in self._stuck)]
        cases = self._course.cases_of([taken for item in items for taken in _taken(item)])
        with suppress(OutputError):
            for case in cases:
                discard(self._course.out / case.id)
        with suppress(OutputError):
            self._course.book.dropped([*cases, *self._course.leave()])

    def _work(self) -> None:
        while self._course.waiting or self._under_way():
            with self._interrupts.heard():
                pass
            self._unstick()
            while (self._course.todo or self._course.late) and self._may_read():
                self._reading.begin()
            self._feed()
            if not self._take():
                self._wait()

    def _under_way(self) -> bool:
        return bool(self._line.network.items or self._line.writers.items or self._stuck)

    def _may_read(self) -> bool:
        opened, pace = self._course.open, self._course.pace
        if not pace.ahead:
            return not opened and not self._under_way()
        return len(opened) < pace.groups_read(self._line.readers.width, self._line.network.width)

    def _feed(self) -> None:
        """Groups that are read go into the network, the first ones first, while there is room for their masks."""
        opened = self._course.open
        while self._has_room() and (group := next((group for group in opened if group.is_read), None)):
            opened.remove(group)
            self._segmenting.put(group)

    def _has_room(self) -> bool:
        network, writers = self._line.network, self._line.writers
        cases = sum(len(batch.taken) for batch in network.items) + len(writers.items)
        return not self._stuck and cases <= self._course.pace.cases_behind(network.width, writers.width)

    def _take(self) -> bool:
        """Take what the stages have done; whether there was any."""
        came = [(self._reading, one) for one in ([] if self._course.draining else self._line.readers.come())]
        steps: list[tuple[Reading | Segmenting | Writing, Came]] = [*came]
        steps += [(self._segmenting, one) for one in self._line.network.come()]
        steps += [(self._writing, one) for one in self._line.writers.come()]
        for step, one in steps:
            if is_pause(one.found):
                self._stuck.append((step.stage, one))
            else:
                step.take(one)
        return bool(steps)

    def _wait(self) -> None:
        readers = [] if self._course.draining else self._line.readers.pipes
        pipes = [*readers, *self._line.network.pipes, *self._line.writers.pipes]
        if pipes:
            with self._interrupts.heard():
                connection.wait(pipes)

    def _unstick(self) -> None:
        """Where something could not be written for want of room, wait, and put it in again."""
        while self._stuck:
            stage, came = self._stuck[0]
            self._course.book.wait(came.found if isinstance(came.found, Exception) else _gone(self._course.out))
            del self._stuck[0]
            stage.put(came.item, came.message, came.seconds)


def _taken(item: Any) -> Sequence[Taken]:
    return item.taken if isinstance(item, Batch) else (item[1] if isinstance(item, tuple) else item,)


def _gone(out: Any) -> OutputError:
    return OutputError(out, "is not the folder that it was when this began", "Mount its disk again.")
