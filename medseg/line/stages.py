"""A batch as stages that overlap: while the network is at one case, the next is read and the last is written."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from typing import Any, Protocol

from medseg.case import Case
from medseg.errors import OutputError
from medseg.image import Image
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Limits
from medseg.line.network import Ask, answers_of
from medseg.line.outcomes import Outcome, crash
from medseg.line.place import is_pause
from medseg.line.stage import Came, Stage
from medseg.line.tasks import Finishing, discard
from medseg.line.worker import Crashed

__all__ = ["Book", "Job", "Line", "Pace", "Stages"]


@dataclass(frozen=True)
class Job:
    """A case of a batch.

    Args:
        number: Its place in the batch.
        case: The case.
        lost: Attempts that it has lost.
        company: It is done; it only shares the call of the network with others of its group, so that their masks are
            the same to the last bit.
    """

    number: int
    case: Case
    lost: int = 0
    company: bool = False


class Book(Protocol):
    """Who is told what becomes of the cases, and knows whether they can be written."""

    def began(self, cases: Sequence[Case]) -> None:
        """They are being worked at."""

    def lost(self, case: Case) -> None:
        """It took its process down with it, and will be tried again."""

    def given_back(self, cases: Sequence[Case]) -> None:
        """They were left, through no fault of theirs."""

    def ended(self, outcome: Outcome) -> None:
        """It is finished, or has failed."""

    def there(self) -> bool:
        """Whether the folder is still the one that the batch began with."""

    def wait(self, error: Exception) -> None:
        """Return when the folder, of which `error` told, can be written again."""


@dataclass(frozen=True)
class Line:
    """The three stages."""

    readers: Stage
    network: Stage
    writers: Stage


@dataclass(frozen=True)
class Pace:
    """How much is under way at once.

    Args:
        group: Images that go into the network together.
        ahead: Groups that may be read, or wait to be written, beside the one in the network; with 0 a group is read
            when nothing is left of the one before.
    """

    group: int = 1
    ahead: int = 2


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
        self._readers, self._network, self._writers = line.readers, line.network, line.writers
        self._out, self._pace, self._limits = finishing.out, pace, limits
        self._shares = finishing.out if finishing.probabilities else None
        self._book, self._interrupts = book, interrupts
        self._todo: deque[_Group] = deque()
        self._late: deque[_Group] = deque()
        self._open: list[_Group] = []
        self._stuck: list[tuple[Stage, Came]] = []
        self._draining = False

    def run(self, groups: Iterable[Sequence[Job]], among: int = 1) -> None:
        """Work through the cases, group by group; `among` as in `medseg.line.network.Ask`.

        On Ctrl-C what is in the network, or was there, is still written; a second one waits for nothing.

        Raises:
            OutputError: The folder cannot be written, and will not be.
            KeyboardInterrupt: As the user wished.
        """
        self._todo.extend(_Group(list(jobs), among) for jobs in groups)
        try:
            self._work()
        except KeyboardInterrupt:
            self._draining = True
            self._leave_unread()
            self._work()
            raise

    def close(self) -> None:
        """End all processes; what is left of the cases under way is removed, and they are given back."""
        for stage in (self._readers, self._network, self._writers):
            stage.close()
        left = [taken for batch in self._network.items for taken in batch.taken]
        left += [*self._writers.items, *(taken for _, came in self._stuck for taken in _taken(came.item))]
        cases = [taken.job.case for taken in left if not taken.job.company]
        with suppress(OSError, OutputError):
            for case in cases:
                discard(self._out / case.id)
            self._book.given_back(cases)
            self._leave_unread()

    def _work(self) -> None:
        while self._todo or self._late or self._open or self._under_way():
            with self._interrupts.heard():
                pass
            self._unstick()
            self._ask()
            self._feed()
            if not self._take():
                self._wait()

    def _under_way(self) -> bool:
        return bool(self._network.items or self._writers.items or self._stuck)

    def _leave_unread(self) -> None:
        """Forget what has not come to the network."""
        self._readers.close()
        opened = [job.case for group in self._open for job in group.left.values() if not job.company]
        for queue in (self._todo, self._late, self._open):
            queue.clear()
        self._book.given_back(opened)

    def _ask(self) -> None:
        """Let the readers read on as far as there is room."""
        while (self._todo or self._late) and self._may_read():
            group = (self._todo or self._late).popleft()
            self._open.append(group)
            self._book.began([job.case for job in group.jobs if not job.company])
            for job in group.jobs:
                self._read(group, _Taken(job, Outcome(job.number, job.case)))

    def _may_read(self) -> bool:
        if not self._pace.ahead:
            return not self._open and not self._under_way()
        return len(self._open) < max(self._pace.ahead, math.ceil((self._readers.width + 1) / self._pace.group))

    def _read(self, group: "_Group", taken: "_Taken") -> None:
        self._readers.put((group, taken), taken.job.case, self._seconds_left(taken.outcome))

    def _seconds_left(self, outcome: Outcome) -> float | None:
        limit = self._limits.timeout
        return None if limit is None else max(0.0, limit - sum(outcome.seconds.values()))

    def _feed(self) -> None:
        """Groups that are read go into the network, the first ones first, while there is room for their masks."""
        while self._has_room() and (group := next((group for group in self._open if group.is_read), None)):
            self._open.remove(group)
            taken = tuple(one for _, one in sorted(group.taken.items()))
            if all(one.job.company for one in taken):
                continue
            among = max(group.among, len(taken))
            shares = tuple(self._shares and self._shares / one.job.case.id / "probabilities.npy" for one in taken)
            images = tuple(one.image for one in taken if one.image is not None)
            ask = Ask(tuple(one.job.case for one in taken), images, shares, among)
            alone = self._seconds_left(taken[0].outcome) if len(taken) == 1 else self._limits.timeout
            self._network.put(_Batch(taken, among), ask, alone)

    def _has_room(self) -> bool:
        cases = sum(len(batch.taken) for batch in self._network.items) + len(self._writers.items)
        ahead = self._pace.ahead
        waiting = self._pace.group * max(0, ahead - 1) * self._network.width
        return cases <= max(waiting, self._writers.width if ahead else 0) and not self._stuck

    def _take(self) -> bool:
        """Take what the stages have done; whether there was any."""
        came = [(self._take_image, one, self._readers) for one in ([] if self._draining else self._readers.come())]
        came += [(self._take_masks, one, self._network) for one in self._network.come()]
        came += [(self._take_written, one, self._writers) for one in self._writers.come()]
        for take, one, stage in came:
            if is_pause(one.found):
                self._stuck.append((stage, one))
            else:
                take(one)
        return bool(came)

    def _wait(self) -> None:
        readers = [] if self._draining else self._readers.pipes
        pipes = [*readers, *self._network.pipes, *self._writers.pipes]
        if pipes:
            with self._interrupts.heard():
                connection.wait(pipes)

    def _unstick(self) -> None:
        """Where something could not be written for want of room, wait, and put it in again."""
        while self._stuck:
            stage, came = self._stuck[0]
            self._book.wait(came.found if isinstance(came.found, Exception) else _gone(self._out))
            del self._stuck[0]
            stage.put(came.item, came.message)

    def _take_image(self, came: Came) -> None:
        group, taken = came.item
        outcome = taken.outcome.after("reading", came.spent)
        if isinstance(came.found, Crashed):
            self._take_crash(replace(taken, outcome=outcome), "reading", came.found, group.among, group)
        elif isinstance(came.found, Exception):
            group.leave(taken.job)
            self._fail(taken.job, replace(outcome, error=came.found))
        else:
            group.taken[taken.job.number] = replace(
                taken, outcome=replace(outcome, facts=came.found.facts), image=came.found
            )

    def _take_masks(self, came: Came) -> None:
        taken, among = came.item.taken, came.item.among
        if isinstance(came.found, Crashed) and len(taken) > 1:
            alone = [one.job for one in taken if not one.job.company]
            self._book.given_back([job.case for job in alone])
            self._later(*(_Group([job], among) for job in alone))
            return
        if isinstance(came.found, Crashed):  # its last chance is without copies of itself, which take memory
            self._take_crash(taken[0], "segmenting", came.found, 1, None)
            return
        if isinstance(came.found, OutputError):
            raise came.found
        images = [one.image for one in taken]
        failed = isinstance(came.found, Exception)
        for one, answer in zip(
            taken, [came.found] * len(taken) if failed else answers_of(came.found, images), strict=True
        ):
            outcome = one.outcome.after("network", came.spent, len(taken))
            if one.job.company:
                continue
            if isinstance(answer, Exception):
                self._fail(one.job, replace(outcome, error=answer))
                continue
            outcome = replace(outcome, notes=answer.notes)
            item = _Taken(one.job, outcome, among=among)
            self._writers.put(item, (one.job.case, one.image, answer), self._seconds_left(outcome))

    def _take_written(self, came: Came) -> None:
        taken: _Taken = came.item
        outcome = taken.outcome.after("writing", came.spent)
        if isinstance(came.found, OutputError):
            raise came.found
        if isinstance(came.found, Crashed):
            discard(self._out / taken.job.case.id)
            self._take_crash(replace(taken, outcome=outcome), "measuring or writing", came.found, taken.among, None)
        elif isinstance(came.found, Exception):
            self._fail(taken.job, replace(outcome, error=came.found))
        elif not self._book.there():
            self._stuck.append((self._writers, came))
        else:
            done = came.found
            self._book.ended(replace(outcome, count=done.count, regions=done.regions, outputs=done.outputs))

    def _take_crash(self, taken: "_Taken", doing: str, crashed: Crashed, among: int, group: "_Group | None") -> None:
        """A case took a process down: it is tried again, or given up."""
        job = replace(taken.job, lost=taken.job.lost + 1)
        if job.company or job.lost >= self._limits.attempts:
            if group is not None:
                group.leave(job)
            self._fail(job, replace(taken.outcome, error=crash(job.case, doing, crashed.reason)))
            return
        self._book.lost(job.case)
        if group is None or len(group.jobs) == 1:
            if group is not None:
                group.leave(job)
            self._later(_Group([job], among))
        else:  # the others of its group wait, since they share a call of the network with it
            group.left[job.number] = job
            self._book.began([job.case])
            self._read(group, _Taken(job, Outcome(job.number, job.case)))

    def _later(self, *groups: "_Group") -> None:
        if not self._draining:
            self._late.extend(groups)

    def _fail(self, job: Job, outcome: Outcome) -> None:
        if not job.company:
            discard(self._out / job.case.id)
            self._book.ended(outcome)


@dataclass(frozen=True, eq=False)
class _Taken:
    """A case on its way."""

    job: Job
    outcome: Outcome
    image: Image | None = None
    among: int = 1


@dataclass(frozen=True, eq=False)
class _Batch:
    """What is in the network together."""

    taken: tuple[_Taken, ...]
    among: int


@dataclass(eq=False)
class _Group:
    """Cases that go into the network together, as far as they can be read.

    Args:
        jobs: The cases.
        among: As in `Ask`.
        taken: What is read, by number.
        left: Cases that can still come to the network, by number.
    """

    jobs: list[Job]
    among: int = 1
    taken: dict[int, _Taken] = field(default_factory=dict)
    left: dict[int, Job] = field(init=False)

    def __post_init__(self) -> None:
        self.left = {job.number: job for job in self.jobs}

    @property
    def is_read(self) -> bool:
        """Whether nothing of it is being read any more."""
        return len(self.taken) == len(self.left)

    def leave(self, job: Job) -> None:
        """A case will not come to the network with it."""
        self.left.pop(job.number, None)


def _taken(item: Any) -> Sequence[_Taken]:
    return item.taken if isinstance(item, _Batch) else (item[1] if isinstance(item, tuple) else item,)


def _gone(out: Any) -> OutputError:
    return OutputError(out, "is not the folder that it was when this began", "Mount its disk again.")
