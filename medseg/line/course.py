"""What the steps of the line share: what waits to be read, the limits, and what becomes of a case that fails."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medseg.case import Case
from medseg.line.book import Book
from medseg.line.files import discard
from medseg.line.groups import Group, Job, Taken
from medseg.line.limits import Limits
from medseg.line.outcomes import Outcome, crash
from medseg.line.pace import Pace
from medseg.line.worker import Crashed

__all__ = ["Course"]


@dataclass(eq=False)
class Course:
    """The way of the cases of a batch.

    Args:
        out: Folder of the batch.
        shares: Where probabilities go, if they are wanted.
        pace: How much is under way at once.
        limits: What a case may take.
        book: Is told.
        todo: Groups that nobody has begun.
        late: Those that are tried again, after the others.
        open: Those that are being read, or wait for the network.
        draining: Nothing more is begun.
    """

    out: Path
    shares: Path | None
    pace: Pace
    limits: Limits
    book: Book
    todo: deque[Group] = field(default_factory=deque)
    late: deque[Group] = field(default_factory=deque)
    open: list[Group] = field(default_factory=list)
    draining: bool = False

    @property
    def waiting(self) -> bool:
        """Whether anything has not come to the network."""
        return bool(self.todo or self.late or self.open)

    def begin(self) -> Group:
        """The next group, which is being read from now on."""
        group = (self.todo or self.late).popleft()
        self.open.append(group)
        self.book.began([job.case for job in group.jobs if not job.company])
        return group

    def later(self, groups: Sequence[Group]) -> None:
        """Try groups again after the others."""
        if not self.draining:
            self.late.extend(groups)

    def leave(self) -> list[Case]:
        """Forget what has not come to the network; the cases that were begun."""
        opened = [job.case for group in self.open for job in group.left.values() if not job.company]
        for queue in (self.todo, self.late, self.open):
            queue.clear()
        return opened

    def seconds_left(self, outcome: Outcome) -> float | None:
        """What a case may still take."""
        limit = self.limits.timeout
        return None if limit is None else max(0.0, limit - sum(outcome.seconds.values()))

    def fail(self, job: Job, outcome: Outcome) -> None:
        """A case has failed; nothing of it stays."""
        if not job.company:
            discard(self.out / job.case.id)
            self.book.ended(outcome)

    def again(self, taken: Taken, doing: str, crashed: Crashed) -> Job | None:
        """A case took a process down: what is tried again, or None where it was given up."""
        job = replace(taken.job, lost=taken.job.lost + 1)
        if job.company or job.lost >= self.limits.attempts:
            self.fail(job, replace(taken.outcome, error=crash(job.case, doing, crashed.reason)))
            return None
        self.book.lost(job.case)
        return job

    def cases_of(self, taken: Sequence[Taken]) -> list[Case]:
        """Those that are no company."""
        return [one.job.case for one in taken if not one.job.company]
