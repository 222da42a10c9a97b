"""Which cases of a batch are to be done, in which groups, and what is told of the others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg import address
from medseg.batch.veil import Veil
from medseg.case import Case
from medseg.errors import MedsegError
from medseg.ledger import Entry, Ledger, Listing, Planned, Rules, Run, Work, digest, fingerprint, sort_out
from medseg.ledger.entries import DONE, ENDED, FAILED, QUEUED, RUNNING, SKIPPED
from medseg.line.files import discard
from medseg.line.groups import Job
from medseg.line.network import Facts
from medseg.line.outcomes import advice, reason
from medseg.reporting import Reporter

__all__ = ["Batch", "enter", "intact_in", "planned", "settings_hash"]

# Of a model's settings these change no byte of an output, or say where it ran.
_NO_MATTER = ("max_memory", "why", "device")
_WRITTEN = (
    *("cases.csv", "regions.csv", "regions.parquet", "totals.csv", "patients.csv", "timings.csv", "run.json"),
    "run.html",
)


@dataclass(frozen=True)
class Batch:
    """A run that has been entered.

    Args:
        number: Of the run.
        plans: Its cases by id.
        work: What is to be done.
        groups: In the order in which it is.
    """

    number: int
    plans: dict[str, Planned]
    work: Work
    groups: list[list[Job]]


def settings_hash(facts: Facts, how: dict[str, Any]) -> str:
    """SHA-256 of all that can change a byte of an output: how the model runs, its plan, threads, and how it is used."""
    runs = {key: value for key, value in facts.settings.items() if key not in _NO_MATTER}
    device = str(facts.settings.get("device", "")).partition(":")[0]
    plan = digest(facts.description)
    return digest({"settings": runs, "device": device, "threads": facts.threads, "plan": plan, "how": how})


def enter(
    ledger: Ledger,
    run: Run,
    cases: Sequence[Case],
    rules: Rules,
    *,
    group: int,
    reporter: Reporter,
    veil: Veil | None = None,
) -> Batch:
    """Enter a run and its cases in the ledger; what was done before with the same input, model and settings stays.

    Args:
        ledger: Of the folder.
        run: The run.
        cases: In the order of the tables.
        rules: What the user said of resuming.
        group: Cases that share a call of the network.
        reporter: Is told what is skipped and what is done again.
        veil: What stands for cases under pseudonyms.

    Raises:
        OutputError: The ledger cannot be written.
    """
    out = ledger.path.parent
    for name in _WRITTEN:
        for path in out.glob(f".{name}-*"):
            path.unlink(missing_ok=True)  # half-written by a run that was killed, see `medseg.atomic`
    listing = Listing()
    known = ledger.known()
    plans = [planned(number, case, run, listing, known.get(case.id), veil) for number, case in enumerate(cases)]
    work = sort_out(plans, known, rules, intact_in(out))
    number = ledger.begin_run(run)
    ledger.enter(plans, work.todo)
    for lost in work.lost:
        discard(out / lost.plan.case)
        ledger.end(_lost(lost.plan, known[lost.plan.case]))
    _tell(work, len(cases), len(known.keys() - {plan.case for plan in plans}), reporter)
    return Batch(number, {plan.case: plan for plan in plans}, work, list(_groups(cases, work, known, group)))


def planned(
    number: int, case: Case, run: Run, listing: Listing, entry: Entry | None, veil: Veil | None = None
) -> Planned:
    """A case of a run; `entry` is what an earlier run left of it."""
    images = tuple(str(path) for path in case.images) if veil is None else veil.images(case)
    columns = {name: str(value) for name, value in case.columns.items()}
    gone = entry is not None and entry.state in ENDED and not any(address.exists(path) for path in case.images)
    # A study that was taken away afterwards has not changed.
    if entry is not None and gone:
        sign = entry.fingerprint
    else:
        sign = fingerprint(case, listing) if veil is None else veil.sign(fingerprint(case, listing))
    return Planned(case.id, number, case.patient, images, columns, sign, run.model, run.settings_hash)


def intact_in(out: Path) -> Callable[[Entry], bool]:
    """Whether the outputs of a finished case are in a folder, in their size."""

    def intact(entry: Entry) -> bool:
        try:
            return all((out / path).stat().st_size == size for path, (size, _sha) in entry.outputs.items())
        except OSError:
            return False

    return intact


def _lost(plan: Planned, entry: Entry) -> Entry:
    mend = "Look at its files; --retry-failed tries it again."
    error = MedsegError(plan.case, "every attempt ended with the run, or the process, that was at it", mend)
    return Entry(**vars(plan), state=FAILED, attempts=entry.attempts, error=reason(error), advice=advice(error))


def _groups(cases: Sequence[Case], work: Work, known: dict[str, Entry], group: int) -> Iterator[list[Job]]:
    """What lost an attempt comes after the others; in a group it stays in its place, for the sake of equal masks."""
    todo = {one.plan.number: one for one in work.todo}
    if group == 1:
        for number in sorted(todo, key=lambda number: (_lost_one(known.get(todo[number].plan.case)), number)):
            yield [Job(number, cases[number], todo[number].attempts)]
        return
    seen = {number for number in work.kept[FAILED] if "network" in known[cases[number].id].seconds}
    beside = seen | set(work.kept[DONE])
    for start in range(0, len(cases), group):
        numbers = range(start, min(len(cases), start + group))
        if any(number in todo for number in numbers):
            yield [
                Job(number, cases[number], todo[number].attempts)
                if number in todo
                else Job(number, cases[number], company=True)
                for number in numbers
                if number in todo or number in beside
            ]


def _lost_one(entry: Entry | None) -> bool:
    """Whether a case has lost an attempt, also where it now begins anew: it may take this run down, too."""
    return entry is not None and entry.state in (QUEUED, RUNNING) and entry.attempts > 0


def _tell(work: Work, total: int, others: int, reporter: Reporter) -> None:
    done, failed = len(work.kept[DONE]), len(work.kept[FAILED]) + len(work.lost)
    skipped = len(work.kept[SKIPPED])
    if done or failed or skipped:
        more = f", {failed} have failed (--retry-failed tries them again)" if failed else ""
        more += f", {skipped} are left out" if skipped else ""
        reporter.say(f"Resuming: {done} of {total} cases were done before{more}")
    for why, count in work.again.items():
        reporter.say(f"{count} cases are done again: {why}")
    if others:
        reporter.say(f"{others} cases of earlier commands keep their files, and are not in the tables")
