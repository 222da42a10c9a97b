"""Whether all that a batch left is still what it wrote: every file against the ledger, every table against its rows."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from medseg.atomic import json_text
from medseg.errors import InputError
from medseg.ledger import NAME, holder, outputs_of, read_ledger
from medseg.ledger.entries import DONE, QUEUED, RUNNING
from medseg.ledger.summary import Left, begun, damage, left
from medseg.line.files import is_output
from medseg.reporting import Reporter, Silent
from medseg.workflow.patient_level import JOINED
from medseg.workflow.verifying_tables import TABLES, Problem, record_problems, table_problems

__all__ = ["Verification", "verify"]

_TEMPORARY = re.compile(r"\..+-[0-9a-f]{12}(\.\w+)*")  # see `medseg.atomic`
_OWN = {NAME, f"{NAME}-wal", f"{NAME}-shm", f"{NAME}-journal", "ledger.lock", "run.json", "run.html"}
_LEASE = ".cluster-"  # see `medseg.scale.lease`
_ELSEWHERE = ("report", "evaluation", "archive")  # folders that other commands of ours write, and a table
_AGAIN = "Remove it, and give the same `medseg predict` command again: it does the case anew."
_REST = "Remove it: nothing needs it."
_CHUNK = 1024  # files handed to the threads at a time
_THREADS = 8


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Args:
        out: The folder.
        files: How many outputs were compared with the ledger.
        size: Bytes of them.
        problems: What is wrong; nothing where all is well.
        notes: What was not looked at, and why.
    """

    out: Path
    files: int
    size: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> str:
        """As JSON."""
        problems = [asdict(one) for one in self.problems]
        told = {"out": self.out, "clean": self.clean, "files": self.files, "bytes": self.size, "problems": problems}
        return json_text({**told, "notes": self.notes}, sort_keys=False)

    def _repr_html_(self) -> str:
        from medseg.outputs.page_tables import header, row_of, text

        said = f"<p>{text(self.out)}: {self.files:,} files, {len(self.problems):,} problems</p>"
        rows = [row_of([one.kind, one.path, one.found, one.mend], []) for one in self.problems]
        return said + (header(["", "file", "found", "mend"], []) + "".join(rows) + "</tbody></table></div>") * bool(
            rows
        )


def verify(out: str | Path, *, reporter: Reporter | None = None) -> Verification:
    """Compare every file of a batch with its ledger, and its tables with what the ledger's rows come to.

    Found are outputs that are missing or changed, files that are half-written or that nobody entered, tables and
    records that differ, and a damaged ledger. While a run is at work, only finished cases are looked at.

    Args:
        out: What `predict` wrote.
        reporter: Told of the progress.

    Raises:
        InputError: There is no ledger.
    """
    out = Path(out)
    if not (out / NAME).is_file():
        raise InputError(out, f"holds no {NAME}: nothing to compare with", "Name what `medseg predict --out` wrote.")
    live = holder(out)
    try:
        with read_ledger(out) as ledger:
            if found := damage(ledger):
                return Verification(out, 0, 0, (_damaged("; ".join(found)),))
            if live is not None and not begun(ledger):
                return Verification(out, 0, 0, (), (f"{live} has only begun: there is nothing to compare yet",))
            cases = list(left(ledger))
            files = [(case, path) for case in cases if case.state == DONE for path in case.outputs]
            problems = list(_compared(out, files, reporter or Silent()))
            if live is not None:
                return _while_running(out, files, problems, {case.case: case for case in left(ledger)}, str(live))
            problems += _not_entered(out, cases)
            tables, notes = table_problems(out, ledger)
            problems += [*tables, *record_problems(out, ledger)]
    except InputError as error:
        return Verification(out, 0, 0, (_damaged(str(error)),))
    notes = [*notes, *_left_alone(out), *_unfinished(cases)]
    return Verification(out, len(files), _bytes(files), tuple(problems), tuple(notes))


def _damaged(found: str) -> Problem:
    mend = "Restore it from a copy; or remove it, and the same `medseg predict` command does all cases anew."
    return Problem("ledger", NAME, "", f"is damaged: {found}", mend)


def _while_running(
    out: Path, files: list[tuple[Left, str]], problems: Iterable[Problem], now: Mapping[str, Left], who: str
) -> Verification:
    """Without what the run itself did meanwhile."""
    before = {case.case: case for case, _path in files}
    stayed = [one for one in problems if now.get(one.case) == before[one.case]]
    note = f"{who} is at work: only finished cases were looked at, neither tables nor other files"
    return Verification(out, len(files), _bytes(files), tuple(stayed), (note,))


def _bytes(files: Iterable[tuple[Left, str]]) -> int:
    return sum(case.outputs[path][0] for case, path in files)


def _compared(out: Path, files: list[tuple[Left, str]], reporter: Reporter) -> Iterator[Problem]:
    """What is wrong with outputs; several are read at a time, as hashing holds up no other thread."""
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        rest = iter(reporter.track(files, "Verifying", len(files)))
        while chunk := list(islice(rest, _CHUNK)):
            yield from filter(None, threads.map(partial(_one, out), chunk))


def _one(out: Path, entered: tuple[Left, str]) -> Problem | None:
    case, path = entered
    size, sha = case.outputs[path]
    try:
        there = (out / path).stat().st_size
        if there != size:
            return Problem("changed", path, case.case, f"has {there:,} bytes, not {size:,}", _AGAIN)
        ((_there, found),) = outputs_of(out, [out / path]).values()
    except FileNotFoundError:
        mend = "Give the same `medseg predict` command again: it does the case anew."
        return Problem("missing", path, case.case, "is not there", mend)
    except OSError as error:
        return Problem("changed", path, case.case, f"cannot be read ({error.strerror})", _AGAIN)
    return None if found == sha else Problem("changed", path, case.case, "has other bytes", _AGAIN)


def _not_entered(out: Path, cases: Iterable[Left]) -> Iterator[Problem]:
    """Files that are no output of a finished case: half-written ones, and what somebody else put there."""
    known = {case.case: case for case in cases}
    expected = {path for case in known.values() if case.state == DONE for path in case.outputs}
    for path in _files(out):
        if path in expected or path in _OWN or path == JOINED:
            continue
        folder, _slash, below = path.partition("/")
        case = known.get(folder)
        if _TEMPORARY.fullmatch(path.rpartition("/")[2]) or path.startswith(_LEASE):
            yield Problem("half-written", path, folder if case else "", "is of a process that was killed", _REST)
        elif case is not None and case.state in (QUEUED, RUNNING) and is_output(below):
            mend = "Give the same `medseg predict` command again: it finishes the case."
            yield Problem("half-written", path, folder, f"is of a case that is not finished ({case.state})", mend)
        elif path not in TABLES:  # which are looked at elsewhere
            what = "" if case is None or case.state == DONE else f"; its case is {case.state}"
            yield Problem("foreign", path, folder if case else "", f"is not in the ledger{what}", _foreign(below))


def _foreign(below: str) -> str:
    return "Remove it: it is no result of this run." if is_output(below) else "Move it elsewhere, if you need it."


def _files(out: Path) -> Iterator[str]:
    """Every file below OUT, but for the folders of other commands, in order."""
    for folder, folders, names in os.walk(out):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if here != out or name not in _ELSEWHERE)
        yield from ((here / name).relative_to(out).as_posix() for name in sorted(names))


def _left_alone(out: Path) -> Iterator[str]:
    there = [f"{name}/" for name in _ELSEWHERE if (out / name).is_dir()] + [JOINED] * (out / JOINED).is_file()
    yield from (f"{name} is of another command, and was not looked at" for name in there)


def _unfinished(cases: Iterable[Left]) -> Iterator[str]:
    many = sum(case.listed and case.state in (QUEUED, RUNNING) for case in cases)
    if many:
        yield f"{many:,} cases are not finished: the same `medseg predict` command goes on"
