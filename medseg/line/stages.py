"""A batch as stages that overlap: while the network is at one case, the next is read and the last is written."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection
from typing import Any, Protocol

from medseg.case import Case
from medseg.errors import OutputError
from medseg.image import Image, Segmentation
from medseg.line.child import Raised, Start
from medseg.line.interrupts import Interrupts
from medseg.line.outcomes import Outcome, crash
from medseg.line.tasks import Finishing, discard, finish, read
from medseg.line.worker import Crashed, Worker
from medseg.options import ReadOptions
from medseg.room import Shared, using

__all__ = ["Segment", "Setup", "Stages", "one_by_one"]

READ = (read.__module__, read.__name__)
FINISH = (finish.__module__, finish.__name__)


class Segment(Protocol):
    """Segments some images: for each its mask, or the error that it ended with."""

    def __call__(self, cases: Sequence[Case], images: Sequence[Image]) -> Sequence[Segmentation | Exception]:
        """As many answers as images, in their order."""


@dataclass(frozen=True)
class Setup:
    """How a batch is worked through.

    Args:
        reading: How files become images.
        finishing: What is done with masks.
        group: Images that go into the network together.
        ahead: Groups that may be read, or wait to be written, beside the one in the network; with 0 a group is read
            when nothing is left of the one before.
        jobs: Processes that read, and as many that write.
        shared: Where large arrays lie; None for plain memory, where there is one process.
        read: Module and name of what a reading process does; finish likewise.
        finish: Of a writing process.
    """

    reading: ReadOptions | None
    finishing: Finishing
    group: int = 1
    ahead: int = 2
    jobs: int = 1
    shared: Shared | None = None
    read: tuple[str, str] = READ
    finish: tuple[str, str] = FINISH


def one_by_one(
    segment: Segment, cases: Sequence[Case], setup: Setup, done: Callable[[Outcome], None], interrupts: Interrupts
) -> None:
    """The whole batch in this process, group after group.

    Raises:
        OutputError: The folder cannot be written: then no case could end well.
    """
    for start in range(0, len(cases), setup.group):
        taken: list[_Taken] = []
        for number, case in enumerate(cases[start : start + setup.group], start):
            began = time.perf_counter()
            try:
                with interrupts.heard():
                    image, seconds = read(setup.reading, case)
            except Exception as error:  # a batch goes on whatever one study does to it
                done(_failed(setup, Outcome(number, case, time.perf_counter() - began, error=error)))
            else:
                taken.append(_Taken(Outcome(number, case, seconds, image.facts), image))
        for one in _segmented(segment, taken, setup, done, interrupts):
            began = time.perf_counter()
            try:
                regions, _ = finish(setup.finishing, one.work)
            except OutputError:
                raise
            except Exception as error:
                done(_failed(setup, replace(one.outcome, error=error)))
            else:
                seconds = one.outcome.seconds + time.perf_counter() - began
                done(replace(one.outcome, regions=regions, seconds=seconds))


class Stages:
    """A batch over three kinds of process: readers, this one, which segments, and writers. Queues are bounded.

    Images are segmented in the order of their cases, so that nothing depends on how quick a process was.
    """

    def __init__(self, cases: Sequence[Case], setup: Setup, interrupts: Interrupts) -> None:
        self._cases, self._setup, self._interrupts = cases, setup, interrupts
        self._shared = setup.shared or Shared()
        reading = Start(setup.read, setup.reading, self._shared)
        writing = Start(setup.finish, setup.finishing, self._shared)
        self._readers = [_Queue(Worker(reading)) for _ in range(setup.jobs)]
        self._writers = [_Queue(Worker(writing)) for _ in range(setup.jobs)]
        self._asked = self._segmented = 0
        self._read: dict[int, _Taken | None] = {}

    def run(self, segment: Segment, done: Callable[[Outcome], None]) -> None:
        """Work through all cases; `done` hears of each when it is finished or has failed.

        On Ctrl-C the masks that are there are still written.

        Raises:
            OutputError: The folder cannot be written.
            KeyboardInterrupt: As the user wished, when all that was segmented is written.
        """
        try:
            while self._segmented < len(self._cases):
                self._collect(done)
                self._segment_next(segment, done)
            self._drain(done)
        except KeyboardInterrupt:
            self._drain(done)
            raise

    def close(self) -> None:
        """End all processes; what a killed one was writing is removed."""
        for queue in (*self._readers, *self._writers):
            queue.worker.kill()
        for queue in self._writers:
            for one in queue.items:
                discard(self._setup.finishing.out / one.outcome.case.id)

    def _ask(self) -> None:
        """Let the readers read on as far as there is room."""
        ahead = self._setup.ahead
        if not ahead and any(self._writers):
            return
        most = min(len(self._cases), self._segmented + self._setup.group * max(1, ahead))
        while self._asked < most:
            queue = min(self._readers, key=len)
            case = self._cases[self._asked]
            queue.put(_Taken(Outcome(self._asked, case, 0.0)), case)
            self._asked += 1

    def _collect(self, done: Callable[[Outcome], None]) -> None:
        """Take what is ready; wait for something where the network has nothing to do or the writers no room."""
        while not (self._group_is_read() and self._has_room()):
            self._ask()
            self._wait()
            self._take_ready(done)
        self._take_ready(done)

    def _wait(self) -> None:
        with self._interrupts.heard():
            connection.wait([queue.worker.pipe for queue in (*self._readers, *self._writers) if queue.items])

    def _take_ready(self, done: Callable[[Outcome], None]) -> None:
        for queue in self._readers:
            while queue.worker.ready():
                self._take_image(queue, done)
        for queue in self._writers:
            while queue.worker.ready():
                self._take_regions(queue, done)

    def _take_image(self, queue: "_Queue", done: Callable[[Outcome], None]) -> None:
        taken, found = queue.take("reading")
        if isinstance(found, Exception):
            self._read[taken.outcome.number] = None
            done(_failed(self._setup, replace(taken.outcome, error=found)))
        else:
            image, seconds = found
            outcome = replace(taken.outcome, seconds=seconds, facts=image.facts)
            self._read[outcome.number] = _Taken(outcome, image)

    def _take_regions(self, queue: "_Queue", done: Callable[[Outcome], None]) -> None:
        taken, found = queue.take("measuring or writing")
        if isinstance(found, OutputError):
            raise found
        if isinstance(found, Exception):
            done(_failed(self._setup, replace(taken.outcome, error=found)))
        else:
            regions, seconds = found
            done(replace(taken.outcome, regions=regions, seconds=taken.outcome.seconds + seconds))

    def _next(self) -> range:
        return range(self._segmented, min(len(self._cases), self._segmented + self._setup.group))

    def _group_is_read(self) -> bool:
        return all(number in self._read for number in self._next())

    def _has_room(self) -> bool:
        return sum(map(len, self._writers)) <= self._setup.group * max(0, self._setup.ahead - 1)

    def _segment_next(self, segment: Segment, done: Callable[[Outcome], None]) -> None:
        """One group through the network, and on to the writers."""
        numbers = self._next()
        taken = [one for number in numbers if (one := self._read.pop(number)) is not None]
        self._segmented = numbers.stop
        if self._setup.ahead:
            self._ask()
        with using(self._shared):
            segmented = _segmented(segment, taken, self._setup, done, self._interrupts)
        for one in segmented:
            min(self._writers, key=len).put(replace(one, image=None, segmentation=None), one.work)

    def _drain(self, done: Callable[[Outcome], None]) -> None:
        while any(self._writers):
            with self._interrupts.heard():
                connection.wait([queue.worker.pipe for queue in self._writers if queue.items])
            self._take_ready(done)


@dataclass(frozen=True, eq=False)
class _Taken:
    """A case on its way."""

    outcome: Outcome
    image: Image | None = None
    segmentation: Segmentation | None = None

    @property
    def work(self) -> tuple[Case, Any, Any]:
        """What `finish` takes."""
        return self.outcome.case, self.image, self.segmentation


class _Queue:
    """A process, and the cases that are with it in their order."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.items: deque[_Taken] = deque()

    def __len__(self) -> int:
        return len(self.items)

    def put(self, taken: _Taken, message: Any) -> None:
        self.items.append(taken)
        self.worker.submit(message)

    def take(self, doing: str) -> tuple[_Taken, Any]:
        """The oldest case, and what came of it: a result or an error."""
        found = self.worker.outcome()
        taken = self.items.popleft()
        if isinstance(found, Crashed):
            return taken, crash(taken.outcome.case, doing, found.reason)
        return taken, found.error if isinstance(found, Raised) else found


def _segmented(
    segment: Segment,
    taken: Sequence[_Taken],
    setup: Setup,
    done: Callable[[Outcome], None],
    interrupts: Interrupts,
) -> list[_Taken]:
    """Those of a group that have a mask; the others are done with."""
    if not taken:
        return []
    began = time.perf_counter()
    try:
        with interrupts.heard():
            answers = segment([one.outcome.case for one in taken], [one.work[1] for one in taken])
    except KeyboardInterrupt:
        for one in taken:  # probabilities may be there already
            discard(setup.finishing.out / one.outcome.case.id)
        raise
    share = (time.perf_counter() - began) / len(taken)
    good = []
    for one, answer in zip(taken, answers, strict=True):
        outcome = replace(one.outcome, seconds=one.outcome.seconds + share)
        if isinstance(answer, Exception):
            done(_failed(setup, replace(outcome, error=answer)))
        else:
            good.append(_Taken(replace(outcome, notes=answer.notes), one.image, answer))
    return good


def _failed(setup: Setup, outcome: Outcome) -> Outcome:
    discard(setup.finishing.out / outcome.case.id)
    return outcome
