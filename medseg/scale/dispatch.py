"""Gives the cases of a run out to its workers, a bounded number at a time, and enters what came of them."""

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

from medseg.errors import MedsegError, OutputError
from medseg.line.book import Book
from medseg.line.files import discard
from medseg.line.groups import Job
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Limits
from medseg.line.outcomes import Outcome, crash
from medseg.line.tasks import Finishing
from medseg.reporting import Reporter
from medseg.scale.fleet import Fleet
from medseg.scale.lease import Noted
from medseg.scale.loads import Flight, Load, answers_of, cases_of, lost_scheduler
from medseg.scale.terms import Answer, Chore, Declined, Died, Paused

__all__ = ["Dispatch"]

_AHEAD = 2  # tasks with each worker beside the one that it is at: it never waits for this side
_LOOK = 5.0  # seconds between two looks at who is there
_MOST_RETURNS = 5  # of a task with no fault of its own, before it is taken for one


class Dispatch:
    """Leads cases through the workers.

    What takes its process or its worker down is tried again after the others, as often as the limits allow; of a group
    that shared a call of the network each case alone, as in `medseg.line.stages`.

    Args:
        fleet: The workers.
        finishing: What is done with masks.
        limits: What a case may take.
        book: Is told.
        interrupts: Ctrl-C.
        reporter: Is told when nobody works.
    """

    def __init__(
        self, fleet: Fleet, finishing: Finishing, limits: Limits, book: Book, interrupts: Interrupts, reporter: Reporter
    ) -> None:
        self._fleet, self._finishing, self._limits = fleet, finishing, limits
        self._book, self._interrupts, self._reporter = book, interrupts, reporter
        self._todo: deque[Load] = deque()
        self._late: deque[Load] = deque()
        self._flying: dict[int, Flight] = {}
        self._came: SimpleQueue[int] = SimpleQueue()
        self._serial, self._slots, self._draining, self._alone = 0, fleet.slots(), False, False

    def run(self, groups: Iterable[Sequence[Job]]) -> None:
        """Work through the cases, group by group.

        On Ctrl-C what has begun is finished, and what is queued is not begun; a second one waits for nothing.

        Raises:
            OutputError: The folder cannot be written, and will not be.
            ConfigError: The last worker cannot take part.
            MedsegError: The scheduler is gone.
            KeyboardInterrupt: As the user wished.
        """
        self._todo.extend(Load(tuple(jobs)) for jobs in groups)
        try:
            self._work()
        except KeyboardInterrupt:
            self._draining = True
            self._todo.clear()
            self._late.clear()
            self._fleet.lease.drain()
            self._work()
            raise

    def close(self) -> None:
        """Stop what is under way; what is left of it is removed, and its cases are given back."""
        self._fleet.lease.end()
        cases = [case for flight in self._flying.values() for case in cases_of(flight.load.jobs)]
        for flight in self._flying.values():
            with suppress(Exception):  # the scheduler may be gone
                flight.future.cancel()
        self._flying.clear()
        with suppress(OutputError):
            for case in cases:
                discard(self._finishing.out / case.id)
        with suppress(OutputError):
            self._book.dropped(cases)

    def _work(self) -> None:
        while self._todo or self._late or self._flying:
            with self._interrupts.heard():
                pass
            self._give_out()
            self._await()
            self._take()

    def _give_out(self) -> None:
        while (self._todo or self._late) and len(self._flying) < max(1, self._slots * (1 + _AHEAD)):
            load = (self._todo or self._late).popleft()
            self._book.began(cases_of(load.jobs))
            chore = Chore(self._serial, load.jobs, load.among, self._finishing)
            future = self._fleet.submit(chore)
            self._flying[self._serial] = Flight(load, future)
            future.add_done_callback(lambda _future, serial=chore.serial: self._came.put(serial))
            self._serial += 1

    def _await(self) -> None:
        """Return when something came, or it is time to look who is there."""
        try:
            with self._interrupts.heard():
                self._came.get(timeout=_LOOK)
        except Empty:
            self._look()

    def _look(self) -> None:
        if self._fleet.client.status != "running":
            raise lost_scheduler()
        self._slots = self._fleet.slots()
        if not self._slots and not self._alone:
            self._reporter.say("Waiting: no worker is left. It goes on when there is one; Ctrl-C twice ends it.")
        self._alone = not self._slots

    def _take(self) -> None:
        """What the tasks answered; which of them, only the futures know for sure, as Ctrl-C may lose a message."""
        done = {serial: flight for serial, flight in self._flying.items() if flight.future.done()}
        answers = answers_of(done, self._fleet.client)
        for serial, flight in done.items():
            del self._flying[serial]
            self._take_one(serial, flight.load, answers[serial])
            self._fleet.lease.forget(serial)

    def _take_one(self, serial: int, load: Load, answer: Answer) -> None:
        if isinstance(answer, list):
            for outcome in answer:
                if outcome.error is not None:
                    discard(self._finishing.out / outcome.case.id)
                self._book.ended(outcome)
        elif isinstance(answer, Died):
            self._take_death(load, self._fleet.lease.noted(serial), answer.reason)
        elif isinstance(answer, Paused):
            self._back(load)
            if not self._draining:
                self._book.wait(answer.error)
        elif isinstance(answer, Declined):
            self._take_declined(load, answer)
        else:
            self._back(load)
            self._reporter.say(f"Without worker {answer.address}: it {answer.found}. {answer.mend}")
            self._fleet.send_away(answer)

    def _take_declined(self, load: Load, answer: Declined) -> None:
        self._back(replace(load, returns=load.returns + 1))
        if self._draining:
            return
        if not self._book.there():
            self._book.wait(OutputError(self._finishing.out, "cannot be reached", "Mount its disk again."))
        elif load.returns >= _MOST_RETURNS:
            found = f"worker {answer.address} does not see it any more"
            raise MedsegError(self._finishing.out, found, "Mount it there again; the same command goes on.")

    def _take_death(self, load: Load, noted: Noted | None, reason: str) -> None:
        """A process died at a task; its mark says at what."""
        if noted is None or noted.doing in ("", "ended"):
            if load.returns < _MOST_RETURNS:
                self._back(replace(load, returns=load.returns + 1))
                return
            noted = Noted("reading", (next(job.number for job in load.jobs if not job.company),), load.among)
        at = [job for job in load.jobs if job.number in noted.numbers]
        if len(at) > 1:
            alone = [job for job in load.jobs if not job.company]
            self._book.given_back([job.case for job in alone])
            self._later(*(Load((job,), noted.among) for job in alone))
            return
        among = 1 if noted.doing == "segmenting" else noted.among  # a last chance without copies, which take memory
        (job,) = at
        others = tuple(other for other in load.jobs if other.number != job.number)
        self._book.given_back(cases_of(others))
        job = replace(job, lost=job.lost + 1)
        if job.company or job.lost >= self._limits.attempts:
            self._fail(job, noted, reason)
            rest = others
        else:
            self._book.lost(job.case)
            rest = tuple(job if one.number == job.number else one for one in load.jobs)
        if noted.doing == "reading" and cases_of(rest):
            self._later(Load(rest, among))
        elif noted.doing != "reading":
            self._later(*(Load((one,), among) for one in rest if not one.company))

    def _fail(self, job: Job, noted: Noted, reason: str) -> None:
        if job.company:
            return
        discard(self._finishing.out / job.case.id)
        facts = noted.facts.get(str(job.number), {})
        self._book.ended(Outcome(job.number, job.case, facts=facts, error=crash(job.case, noted.doing, reason)))

    def _back(self, load: Load) -> None:
        """It was not done, through no fault of its own."""
        self._book.given_back(cases_of(load.jobs))
        if not self._draining:
            self._todo.appendleft(load)

    def _later(self, *loads: Load) -> None:
        if not self._draining:
            self._late.extend(loads)
