"""How a batch stands: counted from its ledger while it runs or afterwards, or from the tables of an older one."""

import csv
import json
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from medseg.atomic import json_text
from medseg.errors import InputError
from medseg.ledger import NAME, Holder, Ledger, holder, read_ledger
from medseg.ledger import summary as asked
from medseg.ledger.entries import DONE, FAILED, QUEUED, RUNNING, STATES
from medseg.ledger.summary import Failure
from medseg.outputs.failure_groups import FailureGroup, failure_groups

__all__ = ["AtWork", "StageSeconds", "Status", "status"]

_LATEST = 100  # cases by which the speed is told, which changes with what they are
_SAMPLED = 10_000  # cases of which the seconds are looked at
_STAGES = ("reading", "network", "writing")


@dataclass(frozen=True)
class AtWork:
    """A case that is being worked at.

    Args:
        case: Its id.
        seconds: For how long; in a run that was killed, None.
        attempt: The first is 1.
    """

    case: str
    seconds: float | None
    attempt: int


@dataclass(frozen=True)
class StageSeconds:
    """Seconds of work on a case in one stage, over the latest cases that are done (10,000 at most)."""

    mean: float
    median: float
    most: float
    cases: int


@dataclass(frozen=True)
class Status:
    """How a batch stands.

    Args:
        out: Its folder.
        state: "running"; "finished"; "interrupted" by Ctrl-C; "killed", or stopped by an error, before its end; or
            "no ledger", of a medseg that kept none: then all is told from its tables.
        process: Which has the folder, in words; empty where none has.
        command: The last one.
        began: When it began (UTC), empty where that is not known.
        ended: When it came to its end, likewise.
        counts: Cases by their states.
        done_in_run: How many were finished or failed since it began; the others were before.
        per_second: Cases a second: in a run of the latest 100, else of all of it. None where none has ended.
        seconds_left: How long the others will take at this speed; None where nothing runs or is known.
        stages: Seconds of a case by the stage.
        peak_mib: The most resident memory that a process held, and `peak_case`, at which case.
        peak_case: Its id.
        at_work: Cases that are being worked at, or were when the run was killed, the longest first.
        failures: All failures, in the order of the cases.
    """

    out: Path
    state: Literal["running", "finished", "interrupted", "killed", "no ledger"]
    process: str = ""
    command: str = ""
    began: str = ""
    ended: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    done_in_run: int = 0
    per_second: float | None = None
    seconds_left: float | None = None
    stages: Mapping[str, StageSeconds] = field(default_factory=dict)
    peak_mib: float | None = None
    peak_case: str = ""
    at_work: tuple[AtWork, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def total(self) -> int:
        """All cases."""
        return sum(self.counts.values())

    @property
    def groups(self) -> list[FailureGroup]:
        """The failures by their reasons, the most frequent first."""
        return failure_groups(self.failures)

    @property
    def exit_code(self) -> int:
        """1 where a case has failed, or cases are left and nobody works at them; else 0."""
        unfinished = self.counts.get(QUEUED, 0) + self.counts.get(RUNNING, 0)
        stopped = self.state in ("killed", "interrupted") or (self.state != "running" and unfinished)
        return int(bool(self.counts.get(FAILED) or stopped))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; the failures by their reasons, too."""
        failures = [{"case": one.case, "error": one.error, "advice": one.advice} for one in self.failures]
        told = {
            **asdict(self),
            "total": self.total,
            "failures": failures,
            "groups": [asdict(one) for one in self.groups],
        }
        return {**told, "stages": {name: asdict(one) for name, one in self.stages.items()}}

    def to_json(self) -> str:
        """As JSON."""
        return json_text(self.to_dict(), sort_keys=False)

    def to_line(self) -> str:
        """As JSON on one line."""
        return json.dumps(json.loads(self.to_json()), ensure_ascii=False)

    def _repr_html_(self) -> str:
        from medseg.outputs.page_tables import header, row_of, text

        counts = ", ".join(f"{n:,} {state}" for state, n in self.counts.items() if n)
        rows = [row_of([group.reason, group.advice], [f"{len(group.cases):,}"]) for group in self.groups]
        table = [header(["failed because", "advice"], ["cases"]), *rows, "</tbody></table></div>"] if rows else []
        return f"<p>{text(self.out)}: {self.state}; {text(counts)}</p>{''.join(table)}"


def status(out: str | Path) -> Status:
    """How the batch in a folder stands; it may be running, nobody waits for this.

    Args:
        out: What `predict` writes, or wrote.

    Raises:
        InputError: It is no such folder, or its ledger is damaged.
    """
    out = Path(out)
    if not (out / NAME).is_file():
        return _of_tables(out)
    found = holder(out)  # first: a run that ends meanwhile has ended, and was not killed
    with read_ledger(out) as ledger:
        return _of_ledger(out, ledger, found)


def _of_ledger(out: Path, ledger: Ledger, found: Holder | None) -> Status:
    if found is not None and not asked.begun(ledger):
        return Status(out, "running", process=str(found))
    row = next(iter(ledger.ask("SELECT began, ended, command FROM runs ORDER BY run DESC LIMIT 1")), None)
    began, ended, command = ("", "", "") if row is None else (row["began"], row["ended"] or "", row["command"])
    counts = _in_order(ledger.counts())
    state = _state(counts, ended, found)
    since = datetime.fromisoformat(began).timestamp() if began else 0.0
    speed = _speed(asked.recently_ended(ledger, since, _LATEST + 1), since) if state == "running" else None
    done = asked.ended_since(ledger, since)
    if state != "running" and done:
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
        stages=_stages(asked.spent(ledger, _SAMPLED)),
        peak_mib=most,
        peak_case=case,
        at_work=tuple(_at_work(asked.running(ledger), now)),
        failures=tuple(asked.failures(ledger)),
    )


def _state(
    counts: Mapping[str, int], ended: str, found: Holder | None
) -> Literal["running", "finished", "interrupted", "killed"]:
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


def _stages(spent: Sequence[Mapping[str, float]]) -> dict[str, StageSeconds]:
    names = dict.fromkeys([*_STAGES, *(name for one in spent for name in one)])
    values = {name: [float(one[name]) for one in spent if name in one] for name in names}
    return {
        name: StageSeconds(statistics.fmean(each), statistics.median(each), max(each), len(each))
        for name, each in values.items()
        if each
    }


def _in_order(counts: Mapping[str, int]) -> dict[str, int]:
    return {state: counts[state] for state in (*STATES, *(set(counts) - set(STATES))) if counts.get(state)}


def _of_tables(out: Path) -> Status:
    """Of a run without a ledger what `cases.csv` and `timings.csv` say."""
    if not (out / "cases.csv").is_file():
        found = f"holds neither {NAME} nor cases.csv" if out.is_dir() else "is no folder"
        raise InputError(out, found, "Name the folder that `medseg predict --out` writes.")
    rows = _rows(out / "cases.csv")
    if rows and not {"case", "status"} <= rows[0].keys():
        raise InputError(out / "cases.csv", "has no column case, or none status", "Name a folder that predict wrote.")
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    failures = [
        Failure(row["case"], tuple(row.get("images", "").split()), row.get("error", ""))
        for row in rows
        if row["status"] == FAILED
    ]
    began = datetime.fromtimestamp((out / "cases.csv").stat().st_mtime, UTC).isoformat(timespec="seconds")
    done = {row["case"] for row in rows if row["status"] == DONE}
    timed = _rows(out / "timings.csv") if (out / "timings.csv").is_file() else []
    spent = [_seconds(row) for row in timed if row.get("case") in done]
    return Status(
        out, "no ledger", ended=began, counts=_in_order(counts), stages=_stages(spent), failures=tuple(failures)
    )


def _seconds(row: Mapping[str, str]) -> dict[str, float]:
    stages = {f"{name}_s": name for name in _STAGES} | {"seconds": "in all"}
    return {name: float(row[column]) for column, name in stages.items() if row.get(column)}


def _rows(path: Path) -> list[dict[str, str]]:
    """A table as text; an error in it may be longer than csv expects of a cell."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: cell or "" for name, cell in row.items() if name} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(path, f"cannot be read ({error})", "Name a folder that `medseg predict` wrote.") from error
