"""The line's three stages: in processes of their own, or all in this one."""

from collections.abc import Callable
from contextlib import nullcontext

from medseg.case import Case
from medseg.image import Segmentation
from medseg.line import tasks
from medseg.line.child import Start
from medseg.line.interrupts import Interrupts
from medseg.line.limits import Watch
from medseg.line.remote import Remote
from medseg.line.segmenting import Local, segment
from medseg.line.stage import Here, Pool, Stage
from medseg.line.stages import Line
from medseg.line.tasks import Finishing, finish, read, ready_to_finish, ready_to_read
from medseg.line.worker import Worker
from medseg.room import Shared
from medseg.segmenter import Segmenter

__all__ = ["here", "in_processes"]

READ = (read.__module__, read.__name__)
FINISH = (finish.__module__, finish.__name__)


def here(local: Local, finishing: Finishing, interrupts: Interrupts) -> Line:
    """All in this process: Ctrl-C ends reading at once, and waits for the network and for what is written."""
    return Line(
        Here(read, finishing.reading, interrupts.heard),
        Here(segment, local, nullcontext),
        Here(finish, finishing, nullcontext),
    )


def in_processes(
    model: Segmenter | Remote,
    finishing: Finishing,
    jobs: int,
    shared: Shared,
    watch: Watch,
    *,
    cases: int = 1,
    say: Callable[[str], None] | None = None,
    look: Callable[[Case, Segmentation], None] | None = None,
    reading: tuple[str, str] = READ,
    writing: tuple[str, str] = FINISH,
) -> Line:
    """Readers and writers as processes; so is the network where the model is open in one.

    Args:
        model: What segments.
        finishing: What is done with masks, and how images are read.
        jobs: Processes that read, and as many that write.
        shared: Where large arrays lie.
        watch: Keeps them to their limits.
        cases: That may be with networks at once.
        say: Is told where a network cannot begin, and others go on.
        look: See `Local`.
        reading: Module and name of what a reader does.
        writing: Of a writer.
    """
    network: Stage
    if isinstance(model, Remote):
        network = Pool(model.workers(watch, shared, cases), say, model.leave)
    else:
        network = Here(segment, Local(model, look), nullcontext)
    return Line(
        _pool(Start(reading, finishing.reading, shared, (tasks.__name__, ready_to_read.__name__)), jobs, watch),
        network,
        _pool(Start(writing, finishing, shared, (tasks.__name__, ready_to_finish.__name__)), jobs, watch),
    )


def _pool(start: Start, jobs: int, watch: Watch) -> Pool:
    return Pool([Worker(start, watch) for _ in range(jobs)])
