"""What is told of how a batch stands."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from medseg.atomic import json_text
from medseg.ledger.entries import FAILED, QUEUED, RUNNING, STATES
from medseg.ledger.summary import Failure
from medseg.outputs.failure_groups import FailureGroup, failure_groups

__all__ = ["STAGES", "AtWork", "StageSeconds", "Status", "in_order", "seconds_by_stage"]

STAGES = ("reading", "network", "writing")


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
        state: "starting", while a run looks through its inputs, before it is entered: all else is of the run before
            it; "running"; "finished"; "interrupted" by Ctrl-C; "killed", or stopped by an error, before its end; or
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
    state: Literal["starting", "running", "finished", "interrupted", "killed", "no ledger"]
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
    def at_it(self) -> bool:
        """Whether a run is at it, or about to be."""
        return self.state in ("starting", "running")

    @property
    def groups(self) -> list[FailureGroup]:
        """The failures by their reasons, the most frequent first."""
        return failure_groups(self.failures)

    @property
    def exit_code(self) -> int:
        """1 where a case has failed, or cases are left and nobody works at them; else 0."""
        unfinished = self.counts.get(QUEUED, 0) + self.counts.get(RUNNING, 0)
        stopped = self.state in ("killed", "interrupted") or (not self.at_it and unfinished)
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


def seconds_by_stage(spent: Sequence[Mapping[str, float]]) -> dict[str, StageSeconds]:
    """Of the seconds that each of some cases took in each stage."""
    names = dict.fromkeys([*STAGES, *(name for one in spent for name in one)])
    values = {name: [float(one[name]) for one in spent if name in one] for name in names}
    return {
        name: StageSeconds(statistics.fmean(each), statistics.median(each), max(each), len(each))
        for name, each in values.items()
        if each
    }


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Cases by their states, from what waits to what has ended; states of no case are left out."""
    return {state: counts[state] for state in (*STATES, *(set(counts) - set(STATES))) if counts.get(state)}
