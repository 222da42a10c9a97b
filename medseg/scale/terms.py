"""What travels between a run and the workers of its cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medseg.case import Case
from medseg.line.groups import Job
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening
from medseg.line.outcomes import Outcome
from medseg.line.tasks import Finishing
from medseg.scale.lease import Lease

__all__ = ["MOUNT", "Chore", "Declined", "Died", "Paused", "Seen", "Terms", "Unfit"]

MOUNT = "Mount the same folders on every machine, or take this worker out."  # mends most of what a worker refuses


@dataclass(frozen=True)
class Terms:
    """What a worker has to agree with before it may take part.

    Args:
        lease: The folder that it has to see.
        cwd: Where paths are relative to.
        versions: Of the programs that an output depends on.
        opening: How it opens the model; None before that is known.
        sign: What the opened model has to be, hash and settings; "" before that is known.
        samples: Cases whose files it has to see, with their fingerprints.
        limits: What a case may take.
        turn: Which opening of the model it is; another one where workers chose differently for "auto".
    """

    lease: Lease
    cwd: Path
    versions: Mapping[str, str]
    opening: Opening | None = None
    sign: str = ""
    samples: tuple[tuple[Case, str], ...] = ()
    limits: Limits = field(default_factory=Limits)
    turn: int = 0

    @property
    def key(self) -> str:
        """By which a worker keeps the model open."""
        return f"{self.lease.token}-{self.turn}"


@dataclass(frozen=True)
class Seen:
    """A worker that agrees.

    Args:
        host: Its machine.
        cores: The processors of it that it may use.
        facts: The model, where it was to open it.
    """

    host: str
    cores: tuple[int, ...]
    facts: Facts | None = None


@dataclass(frozen=True)
class Unfit:
    """A worker that does not.

    Args:
        address: The worker.
        found: Why, as a clause.
        mend: What mends it.
    """

    address: str
    found: str
    mend: str


@dataclass(frozen=True)
class Chore:
    """A task: cases that share a call of the network, mostly one.

    Args:
        serial: Of the task; one that is tried again is another one.
        jobs: The cases.
        among: As in `medseg.line.segmenting.Ask`.
        finishing: What is done with masks.
    """

    serial: int
    jobs: tuple[Job, ...]
    among: int
    finishing: Finishing


@dataclass(frozen=True)
class Died:
    """The process that was at a task ended.

    Args:
        reason: How, as a clause.
    """

    reason: str


@dataclass(frozen=True)
class Paused:
    """OUT is full or away; see `medseg.line.place`."""

    error: Exception


@dataclass(frozen=True)
class Declined:
    """A task that was not begun, or not finished, as its run is over."""

    address: str


Answer = list[Outcome] | Died | Paused | Declined | Unfit
