"""How a batch stands: counted from its ledger while it runs or afterwards, or from the tables of an older one."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from medseg.ledger import NAME, Holder, Ledger, holder, read_ledger
from medseg.ledger import summary as asked
from medseg.ledger.entries import QUEUED, RUNNING
from medseg.workflow.status_facts import AtWork, Status, in_order, seconds_by_stage
from medseg.workflow.status_of_tables import status_of_tables

__all__ = ["status"]

_LATEST = 100  # cases by which the speed is told, which changes with what they are
_SAMPLED = 10_000  # cases of which the seconds are looked at


def status(out: str | Path) -> Status:
    """How the batch in a folder stands; it may be running, nobody waits for this.

    Args:
        out: What `predict` writes, or wrote.

    Raises:
        InputError: It is no such folder, or its ledger is damaged.
    """
    out = Path(out)
    if not (out / NAME).is_file():
        return status_of_tables(out)
    found = holder(out)  # first: a run that ends meanwhile has ended, and was not killed
    with read_ledger(out) as ledger:
        return _of_ledger(out, ledger, found)


def _of_ledger(out: Path, ledger: Ledger, found: Holder | None) -> Status:
    if found is not None and not asked.begun(ledger):
        return Status(out, "starting", process=str(found))
    row = next(iter(ledger.ask("SELECT began, ended, command FROM runs ORDER BY run DESC LIMIT 1")), None)
    began, ended, command = ("", "", "") if row is None else (row["began"], row["ended"] or "", row["command"])
    counts = in_order(ledger.counts())
    state = _state(counts, began, ended, found)
    since = datetime.fromisoformat(began).timestamp() if began else 0.0
    speed = _speed(asked.recently_ended(ledger, since, _LATEST + 1), since) if state == "running" else None
    done = asked.ended_since(ledger, since)
    if state not in ("running", "starting") and done:
        speed = done / max(asked.recently_ended(ledger, since, 1)[0] - since, 1e-3)
    rest = counts.get(QUEUED, 0) + counts.get(RUNNING, 0)
    case, most = asked.peak(ledger) or ("", None)
    now = time.time() if state == "running" else None
    return Status(
        out,
        state,
        process="" if found is None else str(found),
        command=command,
        began=began,
        ended=ended,
        counts=counts,
        done_in_run=done,
        per_second=speed,
        seconds_left=rest / speed if speed and state == "running" else None,
        stages=seconds_by_stage(asked.spent(ledger, _SAMPLED)),
        peak_mib=most,
        peak_case=case,
        at_work=tuple(_at_work(asked.running(ledger), now)),
        failures=tuple(asked.failures(ledger)),
    )


def _state(
    counts: Mapping[str, int], began: str, ended: str, found: Holder | None
) -> Literal["starting", "running", "finished", "interrupted", "killed"]:
    if found is not None and began < found.since:  # the run that was entered last is an earlier process's
        return "starting"
    if found is not None and not ended:
        return "running"
    if not ended:
        return "killed"
    return "interrupted" if counts.get(QUEUED, 0) + counts.get(RUNNING, 0) else "finished"


def _speed(ends: Sequence[float], began: float) -> float | None:
    """Cases a second, up to now: of a run that hangs it falls."""
    if not ends:
        return None
    if len(ends) > _LATEST:
        return _LATEST / max(time.time() - ends[-1], 1e-3)
    return len(ends) / max(time.time() - began, 1e-3)


def _at_work(rows: Iterable[tuple[str, int, float | None]], now: float | None) -> Iterable[AtWork]:
    for case, attempt, since in rows:
        yield AtWork(case, None if now is None or since is None else max(0.0, now - since), attempt)
