"""What a batch would do: its cases, what is done already, and what they will take. Nothing is written."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg import address
from medseg.atomic import as_utf8
from medseg.batch.resuming import intact_in, planned
from medseg.batch.running import described_run
from medseg.batch.veil import Veil, require_same_names
from medseg.case import Case
from medseg.config import check
from medseg.datasets.study_choice import COLUMN
from medseg.errors import InputError, LeftOutError, MedsegError
from medseg.ledger import Entry, Listing, Rules, Work, read_ledger, sort_out
from medseg.ledger.entries import DONE, FAILED, SKIPPED
from medseg.line.limits import Limits
from medseg.line.tasks import Finishing
from medseg.options import ReadOptions
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.estimating import grid_of, peak_of, plan_of, seconds_a_voxel, voxels_of
from medseg.workflow.model_opening import open_for_batch
from medseg.workflow.watching import Listing as Cases

if TYPE_CHECKING:
    import pandas as pd

    from medseg.plan import Plan

__all__ = ["Forecast", "forecast"]

_MIB = 1 << 20


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a batch would do.

    Args:
        cases: A row a case: case, patient, state ("to do", "done", "failed before", "refused", "skipped"), files, mib,
            voxels, series_chosen, seconds, peak_mib, note, images. Seconds are of work on it, all stages together;
            they are empty where no earlier case tells how long a voxel takes.
        learnt_from: Earlier cases that the seconds come from.
        memory_known: Whether memory can be estimated for this kind of model.
    """

    cases: "pd.DataFrame"
    learnt_from: int
    memory_known: bool

    @property
    def to_do(self) -> "pd.DataFrame":
        """The cases that would be worked at."""
        return self.cases[self.cases["state"] == "to do"]

    def told(self) -> dict[str, Any]:
        """Totals, as JSON has them; None where something is unknown."""
        todo = self.to_do
        seconds, peak = todo["seconds"].sum(min_count=1), todo["peak_mib"].max()
        return {
            "cases": len(self.cases),
            **{
                f"cases_{str(state).replace(' ', '_')}": int(n)
                for state, n in self.cases["state"].value_counts().items()
            },
            "mib_to_read": round(float(todo["mib"].sum()), 1),
            "seconds_of_work": None if seconds != seconds else round(float(seconds), 1),
            "learnt_from_cases": self.learnt_from,
            "peak_mib": None if peak != peak else round(float(peak)),
        }


def forecast(model: str | Path, listing: Cases, out: Path, options: BatchOptions | None = None) -> Forecast:
    """List what `predict` would do with these options. The model is opened, no voxel is decoded.

    Memory is the estimate that `max_memory` is held to, of a process that does everything, for the uncropped image.
    Seconds are the voxels of the case times the median of what earlier cases in `out` took a voxel by the same model.

    Raises:
        MedsegError: The model cannot be opened, or an input does not exist.
    """
    asked = options or BatchOptions()
    veil = None if asked.pseudonyms is None else Veil.foreseen(asked.pseudonyms, out)
    require_same_names(out, veil)
    with ExitStack() as stack:
        found = open_for_batch(Path(model), asked.settings, listing, out, jobs=0, limits=Limits(), stack=stack)
        facts, cases = found.facts, found.cases
    reading = check(ReadOptions, facts.reading.model_dump() | dict(asked.reading or {}), "reading")
    channels = facts.channels if len(facts.channels) > 1 else None
    finishing = Finishing(
        out, asked.min_voxels, channels, reading, asked.probabilities, asked.masks_only, writing=asked.writing
    )
    run, files = described_run(None, facts, finishing), Listing()
    known = _known(out)
    if asked.writing is not None:
        cases = asked.writing.judged(cases)
    if veil is not None:
        cases = veil.cases(cases)
    plans = [planned(number, case, run, files, known.get(case.id), veil) for number, case in enumerate(cases)]
    work = sort_out(plans, known, Rules(asked.redone(cases), asked.retry_failed, asked.attempts), intact_in(out))
    rate, learnt_from = seconds_a_voxel(known.values(), {case.id: case for case in cases}, facts, reading)
    plan, states = plan_of(facts), _states(work)
    rows = [_row(case, states.get(number, "to do"), files, reading, rate, plan) for number, case in enumerate(cases)]
    if veil is not None:
        rows = [_under(veil, row, case) for row, case in zip(rows, cases, strict=True)]
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"files": "Int64", "voxels": "Int64"})
    return Forecast(table.astype({"seconds": float, "peak_mib": float}), learnt_from, plan is not None)


_COLUMNS = (
    *("case", "patient", "state", "files", "mib", "voxels", COLUMN, "seconds", "peak_mib", "note", "images"),
)  # fmt: skip


def _under(veil: Veil, row: dict[str, Any], case: Case) -> dict[str, Any]:
    note = veil.text(row.get("note", ""), case.id)
    return {**row, "images": " ".join(veil.images(case)), "note": note}


def _known(out: Path) -> dict[str, Entry]:
    with suppress(InputError), read_ledger(out) as ledger:
        return ledger.known()
    return {}


def _states(work: Work) -> dict[int, str]:
    """Of the cases that are not to be done, by their numbers."""
    told = {DONE: "done", FAILED: "failed before", SKIPPED: "skipped"}
    kept = {number: told[state] for state, numbers in work.kept.items() for number in numbers}
    return kept | {one.plan.number: told[FAILED] for one in work.lost}


def _row(
    case: Case, state: str, files: Listing, options: ReadOptions, rate: float | None, plan: "Plan | None"
) -> dict[str, Any]:
    signs = [sign for image in case.images for sign in files(address.split(image)[0])]
    row: dict[str, Any] = {
        "case": case.id,
        "patient": case.patient,
        "state": state,
        "files": len(signs),
        "mib": sum(max(size, 0) for _name, size, _time in signs) / _MIB,
        COLUMN: case.columns.get(COLUMN, ""),
        "images": as_utf8(" ".join(map(str, case.images))),
    }
    if state != "to do":
        return row
    try:
        grid = grid_of(case, options)
    except MedsegError as error:
        state = "skipped" if isinstance(error, LeftOutError) else "refused"
        return {**row, "state": state, "note": as_utf8(str(error))}
    voxels = voxels_of(grid)
    return {
        **row,
        "voxels": voxels,
        "seconds": None if rate is None else rate * voxels,
        "peak_mib": None if plan is None else peak_of(plan, grid),
    }
