"""What is on its way to the workers of a cluster: the cases of each task, and what its future answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.errors import MedsegError
from medseg.line.groups import Job
from medseg.scale.terms import Answer, Died

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Flight", "Load", "answers_of", "cases_of", "lost_scheduler"]


@dataclass(frozen=True)
class Load:
    """Cases that go to a worker together.

    Args:
        jobs: The cases.
        among: As in `medseg.line.segmenting.Ask`.
        returns: How often it came back with no fault of its own.
    """

    jobs: tuple[Job, ...]
    among: int = 1
    returns: int = 0


@dataclass(frozen=True)
class Flight:
    """A load that was given out.

    Args:
        load: The load.
        future: What will answer.
    """

    load: Load
    future: "Future" = field(repr=False)


def cases_of(jobs: Iterable[Job]) -> list[Case]:
    """The cases of jobs, without those that only keep others company."""
    return [job.case for job in jobs if not job.company]


def answers_of(done: Mapping[int, Flight], client: "Client") -> dict[int, Answer]:
    """The results of tasks that have ended, by their numbers; they are fetched together.

    Raises:
        MedsegError: What a worker raised, or the scheduler is gone.
    """
    from distributed.scheduler import KilledWorker

    finished = {serial: flight.future for serial, flight in done.items() if flight.future.status == "finished"}
    found: dict[int, Answer] = client.gather(finished, errors="skip") if finished else {}
    for serial in done.keys() - found.keys():
        future = done[serial].future
        try:
            found[serial] = future.result()
        except KilledWorker:
            found[serial] = Died("the workers that it was given to died")
        except MedsegError:
            raise
        except Exception as error:
            if future.cancelled() or client.status != "running":
                raise lost_scheduler() from error
            mend = "Do all workers have the same medseg? The same command goes on."
            raise MedsegError("--cluster", f"a worker failed with {type(error).__name__}: {error}", mend) from error
    return found


def lost_scheduler() -> MedsegError:
    """The error where nobody can say any more what becomes of the tasks."""
    return MedsegError("--cluster", "its scheduler is gone", "Start it again; the same command goes on.")
