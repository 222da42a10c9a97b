"""Lead what is to be done of a batch through the line, or give it to a cluster."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from medseg.batch.book import LedgerBook, Progress
from medseg.batch.resuming import Batch
from medseg.batch.veil import Veil
from medseg.case import Case
from medseg.errors import ConfigError
from medseg.image import Segmentation
from medseg.ledger import Ledger
from medseg.line.building import here, in_processes
from medseg.line.interrupts import Interrupts
from medseg.line.jobs import jobs_for
from medseg.line.limits import Limits, Watch
from medseg.line.pace import Pace
from medseg.line.place import Place
from medseg.line.remote import Remote
from medseg.line.segmenting import Local
from medseg.line.stages import Stages
from medseg.line.tasks import Finishing
from medseg.reporting import Reporter
from medseg.room import Shared, using
from medseg.scale import Dispatch, Fleet
from medseg.segmenter import Segmenter

__all__ = ["How", "work"]


@dataclass(frozen=True)
class How:
    """How a batch is worked through.

    Args:
        finishing: What is done with masks, and how images are read.
        pace: How much is under way at once.
        limits: What a case may take.
        shared: Where large arrays lie; None for memory.
        jobs: As in `medseg.predict`.
        look: See `medseg.line.segmenting.Local`.
        veil: What stands for cases under pseudonyms.
    """

    finishing: Finishing
    pace: Pace
    limits: Limits
    shared: Shared | None
    jobs: int | None
    look: Callable[[Case, Segmentation], None] | None
    veil: Veil | None


def work(
    model: Segmenter | Remote | Fleet,
    cases: Sequence[Case],
    batch: Batch,
    ledger: Ledger,
    how: How,
    reporter: Reporter,
) -> None:
    """Do what is to be done.

    Raises:
        ConfigError: Limits are given that only processes of their own can be kept to, and there are none.
        OutputError: The folder cannot be written, and will not be.
        KeyboardInterrupt: As the user wished; what was in the network is written.
    """
    todo = [cases[one.plan.number] for one in batch.work.todo]
    jobs = _jobs(model, todo, how)
    if not todo:
        return
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        watch = stack.enter_context(closing(Watch(how.limits)))
        place = Place(how.finishing.out, reporter, interrupts.heard)
        book = LedgerBook(ledger, batch.plans, place, Progress(reporter, len(todo)), how.veil)
        if isinstance(model, Fleet):
            dispatch = Dispatch(model, how.finishing, how.limits, book, interrupts, reporter)
            stack.enter_context(closing(dispatch))
            dispatch.run(batch.groups)
            return
        shared = how.shared or (Shared() if jobs else None)
        if jobs:
            assert shared is not None
            most = _most(todo, how)
            line = in_processes(model, how.finishing, jobs, shared, watch, cases=most, say=reporter.say, look=how.look)
        else:
            assert not isinstance(model, Remote)
            line = here(Local(model, how.look), how.finishing, interrupts)
        pace = how.pace if jobs else replace(how.pace, ahead=0)
        stack.enter_context(using(shared))
        stages = Stages(line, how.finishing, pace, how.limits, book, interrupts)
        stack.enter_context(closing(stages))
        stages.run(batch.groups)


def _jobs(model: Segmenter | Remote | Fleet, todo: Sequence[Case], how: How) -> int:
    if how.look is not None or isinstance(model, Fleet):
        return 0
    wanted = jobs_for(todo, how.jobs)
    if isinstance(model, Remote):
        return max(1, wanted, model.count(_most(todo, how)) if how.jobs is None else 0)
    if not wanted and how.limits.kill:
        wanted = jobs_for(todo, how.jobs or 1) if how.jobs != 0 else 0
        if not wanted and todo:
            found = "given where one process does everything, which nothing could end"
            raise ConfigError("timeout, memory_limit", found, "Leave them out, or take jobs=1.")
    return wanted


def _most(todo: Sequence[Case], how: How) -> int:
    """Cases that may be under way at once."""
    return len(todo) if how.pace.ahead else 1
