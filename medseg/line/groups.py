"""Cases on their way through the line, alone or in groups that share a call of the network."""

from dataclasses import dataclass, field

from medseg.case import Case
from medseg.image import Image
from medseg.line.outcomes import Outcome

__all__ = ["Batch", "Group", "Job", "Taken"]


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


@dataclass(frozen=True, eq=False)
class Taken:
    """A case on its way.

    Args:
        job: The case.
        outcome: What is known of it so far.
        image: Its image, once it is read.
        among: As in `medseg.line.segmenting.Ask`.
    """

    job: Job
    outcome: Outcome
    image: Image | None = None
    among: int = 1


@dataclass(frozen=True, eq=False)
class Batch:
    """What is in the network together."""

    taken: tuple[Taken, ...]
    among: int


@dataclass(eq=False)
class Group:
    """Cases that go into the network together, as far as they can be read.

    Args:
        jobs: The cases.
        among: As in `medseg.line.segmenting.Ask`.
        taken: What is read, by number.
        left: Cases that can still come to the network, by number.
    """

    jobs: list[Job]
    among: int = 1
    taken: dict[int, Taken] = field(default_factory=dict)
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

    def batch(self) -> Batch | None:
        """What of it goes into the network; None where only company is left."""
        taken = tuple(one for _, one in sorted(self.taken.items()))
        if all(one.job.company for one in taken):
            return None
        return Batch(taken, max(self.among, len(taken)))
