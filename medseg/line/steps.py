"""What the line puts into each of its stages, and what it makes of what comes out: read, segment, write."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from medseg.errors import OutputError
from medseg.image import Segmentation
from medseg.line.course import Course
from medseg.line.files import discard
from medseg.line.groups import Group, Job, Taken
from medseg.line.outcomes import Outcome
from medseg.line.segmenting import Ask, answers_of
from medseg.line.stage import Came, Stage
from medseg.line.worker import Crashed

__all__ = ["Reading", "Segmenting", "Writing"]


@dataclass(frozen=True, eq=False)
class Reading:
    """From cases to images.

    Args:
        stage: Reads.
        course: Of the cases.
    """

    stage: Stage
    course: Course

    def begin(self) -> None:
        """Read the next group."""
        group = self.course.begin()
        for job in group.jobs:
            self._put(group, job)

    def take(self, came: Came) -> None:
        """An image, or why there is none."""
        group, taken = came.item
        taken = replace(taken, outcome=taken.outcome.after("reading", came.spent))
        if isinstance(came.found, Crashed):
            self._take_crash(group, taken, came.found)
        elif isinstance(came.found, Exception):
            group.leave(taken.job)
            self.course.fail(taken.job, replace(taken.outcome, error=came.found))
        else:
            outcome = replace(taken.outcome, facts=came.found.facts)
            group.taken[taken.job.number] = replace(taken, outcome=outcome, image=came.found)

    def _put(self, group: Group, job: Job) -> None:
        taken = Taken(job, Outcome(job.number, job.case))
        self.stage.put((group, taken), job.case, self.course.seconds_left(taken.outcome))

    def _take_crash(self, group: Group, taken: Taken, crashed: Crashed) -> None:
        job = self.course.again(taken, "reading", crashed)
        if job is None or len(group.jobs) == 1:
            group.leave(taken.job)
            if job is not None:
                self.course.later([Group([job], group.among)])
        else:  # the others of its group wait, since they share a call of the network with it
            group.left[job.number] = job
            self.course.book.began([job.case])
            self._put(group, job)


@dataclass(frozen=True, eq=False)
class Segmenting:
    """From images to masks.

    Args:
        stage: Segments.
        course: Of the cases.
        onward: Is given each mask.
    """

    stage: Stage
    course: Course
    onward: Callable[[Taken, Segmentation], None]

    def put(self, group: Group) -> None:
        """Segment a group that is read, unless nothing of it is left."""
        batch = group.batch()
        if batch is None:
            return
        taken, course = batch.taken, self.course
        shares = tuple(course.shares and course.shares / one.job.case.id / "probabilities.npy" for one in taken)
        images = tuple(one.image for one in taken if one.image is not None)
        ask = Ask(tuple(one.job.case for one in taken), images, shares, batch.among)
        alone = course.seconds_left(taken[0].outcome) if len(taken) == 1 else course.limits.timeout
        self.stage.put(batch, ask, alone)

    def take(self, came: Came) -> None:
        """The masks of a group.

        Raises:
            OutputError: The folder cannot be written.
        """
        taken = came.item.taken
        if isinstance(came.found, Crashed):
            self._take_crash(came.item.among, taken, came.found)
            return
        if isinstance(came.found, OutputError):
            raise came.found
        failed = isinstance(came.found, Exception)
        answers = [came.found] * len(taken) if failed else answers_of(came.found, [one.image for one in taken])
        for one, answer in zip(taken, answers, strict=True):
            outcome = one.outcome.after("network", came.spent, len(taken))
            if one.job.company:
                continue
            if isinstance(answer, Exception):
                self.course.fail(one.job, replace(outcome, error=answer))
            else:
                outcome = replace(outcome, notes=answer.notes, facts={**outcome.facts, **answer.facts})
                self.onward(replace(one, outcome=outcome, among=came.item.among), answer)

    def _take_crash(self, among: int, taken: tuple[Taken, ...], crashed: Crashed) -> None:
        course = self.course
        if len(taken) > 1:  # nobody knows whose fault it was
            alone = [one.job for one in taken if not one.job.company]
            course.book.given_back([job.case for job in alone])
            course.later([Group([job], among) for job in alone])
        elif (job := course.again(taken[0], "segmenting", crashed)) is not None:
            course.later([Group([job])])  # its last chance is without copies of itself, which take memory


@dataclass(frozen=True, eq=False)
class Writing:
    """From masks to files.

    Args:
        stage: Measures and writes.
        course: Of the cases.
        hold: Is given what cannot be entered yet, since the folder is away.
    """

    stage: Stage
    course: Course
    hold: Callable[[Came], None]

    def put(self, taken: Taken, mask: Segmentation) -> None:
        """Measure and write a mask."""
        item = replace(taken, image=None)
        self.stage.put(item, (taken.job.case, taken.image, mask), self.course.seconds_left(taken.outcome))

    def take(self, came: Came) -> None:
        """What was written.

        Raises:
            OutputError: The folder cannot be written.
        """
        outcome = came.item.outcome.after("writing", came.spent)
        taken, course = replace(came.item, outcome=outcome), self.course
        if isinstance(came.found, OutputError):
            raise came.found
        if isinstance(came.found, Crashed):
            discard(course.out / taken.job.case.id)
            job = course.again(taken, "measuring or writing", came.found)
            if job is not None:
                course.later([Group([job], taken.among)])
        elif isinstance(came.found, Exception):
            course.fail(taken.job, replace(outcome, error=came.found))
        elif not course.book.there():
            self.hold(came)
        else:
            done = came.found
            notes = (*outcome.notes, *done.notes)
            left = {"count": done.count, "regions": done.regions, "outputs": done.outputs, "notes": notes}
            course.book.ended(replace(outcome, **left))
