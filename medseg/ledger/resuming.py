"""What of a batch is still to be done: what is missing, has changed, or was lost with an earlier run."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from medseg.ledger.entries import DONE, FAILED, QUEUED, RUNNING, SKIPPED, Entry, Planned

__all__ = ["Rules", "Todo", "Work", "sort_out"]

_LOST_RUNS = 3  # that a case may be at work in beyond its attempts: most runs are killed for another reason


@dataclass(frozen=True)
class Rules:
    """What a user may say of resuming.

    Args:
        redo: Do everything again, or the cases of these ids.
        retry_failed: Do again what failed, or would now for want of attempts.
        attempts: How often a case may take its process down with it before it fails; with the run, 3 times more.
    """

    redo: bool | Collection[str] = False
    retry_failed: bool = False
    attempts: int = 2

    def redone(self, case: str) -> bool:
        """Whether the user wants a case done again, whatever came of it."""
        return self.redo if isinstance(self.redo, bool) else case in self.redo


@dataclass(frozen=True)
class Todo:
    """A case that is to be done.

    Args:
        plan: The case.
        attempts: That it has lost.
    """

    plan: Planned
    attempts: int = 0


@dataclass(frozen=True)
class Work:
    """A batch, sorted out.

    Args:
        todo: To be done, in the order of their numbers.
        lost: Cases that have no attempt left, with the number that they had.
        kept: Done, failed and left out earlier: their numbers by the state.
        again: How many are done again because something changed, by what.
    """

    todo: list[Todo] = field(default_factory=list)
    lost: list[Todo] = field(default_factory=list)
    kept: dict[str, list[int]] = field(default_factory=lambda: {DONE: [], FAILED: [], SKIPPED: []})
    again: dict[str, int] = field(default_factory=dict)


def sort_out(
    plans: Iterable[Planned], known: Mapping[str, Entry], rules: Rules, intact: Callable[[Entry], bool]
) -> Work:
    """What is to be done of a batch.

    Args:
        plans: Its cases.
        known: Entries by case.
        rules: What the user said.
        intact: Whether the outputs of a finished case are there.
    """
    work = Work()
    for plan in plans:
        entry = known.get(plan.case)
        changed = "" if entry is None else _changed(plan, entry)
        redone = rules.redone(plan.case)
        if entry is None or redone or changed:
            if changed and not redone:
                work.again[changed] = work.again.get(changed, 0) + 1
            work.todo.append(Todo(plan))
        elif entry.state in (QUEUED, RUNNING):
            spent = entry.attempts >= rules.attempts + (_LOST_RUNS if entry.state == RUNNING else 0)
            if spent and rules.retry_failed:  # it would be entered as failed, for the next run to try again
                work.todo.append(Todo(plan))
            else:
                (work.lost if spent else work.todo).append(Todo(plan, entry.attempts))
        elif entry.state == DONE and not intact(entry):
            work.again["outputs missing"] = work.again.get("outputs missing", 0) + 1
            work.todo.append(Todo(plan))
        elif entry.state == FAILED and rules.retry_failed:
            work.todo.append(Todo(plan))
        else:
            work.kept[entry.state].append(plan.number)
    return work


def _changed(plan: Planned, entry: Entry) -> str:
    """What is not as it was; a model without a hash is never known to be the same."""
    if not plan.model or plan.model != entry.model:
        return "another model"
    if plan.settings != entry.settings:
        return "other settings"
    return "changed input" if plan.fingerprint != entry.fingerprint else ""
