"""What a ledger says of a run as a whole, while it is written or afterwards; no question reads all of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medseg.errors import InputError
from medseg.ledger.entries import DONE, ENDED, FAILED, RUNNING
from medseg.ledger.store import Ledger

__all__ = [
    "Failure",
    "Left",
    "begun",
    "damage",
    "ended_since",
    "failures",
    "inputs",
    "left",
    "peak",
    "recently_ended",
    "running",
    "spent",
    "work",
]

_ENDED = f"number IS NOT NULL AND state IN ({', '.join(repr(state) for state in ENDED)})"


@dataclass(frozen=True)
class Failure:
    """A case that has failed.

    Args:
        case: Its id.
        images: Its files.
        error: Why, as `cases.csv` has it.
        advice: What mends it; empty where we do not know.
        attempts: That it had.
    """

    case: str
    images: tuple[str, ...]
    error: str
    advice: str = ""
    attempts: int = 0


@dataclass(frozen=True)
class Left:
    """What a case left in OUT.

    Args:
        case: Its id.
        state: As in `Entry`.
        listed: Whether it is in the tables, and no case of an earlier command.
        outputs: Of each file below OUT its size in bytes and its SHA-256.
    """

    case: str
    state: str
    listed: bool
    outputs: dict[str, tuple[int, str]]


def begun(ledger: Ledger) -> bool:
    """Whether it has its tables, which come a moment after the file."""
    return bool(ledger.ask("SELECT 1 FROM sqlite_master WHERE name = 'cases_by_state'"))


def running(ledger: Ledger) -> list[tuple[str, int, float | None]]:
    """Each case that is being worked at: its id, the attempt that this is, and since when (seconds of the epoch)."""
    rows = ledger.ask(
        'SELECT "case", attempts, changed FROM cases WHERE state = :state AND number IS NOT NULL ORDER BY changed',
        {"state": RUNNING},
    )
    return [(row["case"], row["attempts"], row["changed"]) for row in rows]


def ended_since(ledger: Ledger, since: float) -> int:
    """How many cases were finished or failed after a moment, seconds of the epoch."""
    (row,) = ledger.ask(f"SELECT count(*) AS n FROM cases WHERE {_ENDED} AND changed >= :since", {"since": since})
    return int(row["n"])


def recently_ended(ledger: Ledger, since: float, most: int) -> list[float]:
    """When the last cases were finished or failed, the last one first, none before `since`."""
    rows = ledger.ask(
        f"SELECT changed FROM cases WHERE {_ENDED} AND changed >= :since ORDER BY changed DESC LIMIT :most",
        {"since": since, "most": most},
    )
    return [row["changed"] for row in rows]


def spent(ledger: Ledger, most: int) -> list[dict[str, float]]:
    """Seconds by stage of the last cases that were finished."""
    rows = ledger.ask(
        "SELECT seconds FROM cases WHERE state = :state AND number IS NOT NULL ORDER BY changed DESC LIMIT :most",
        {"state": DONE, "most": most},
    )
    return [dict(_read(ledger, row["seconds"], dict)) for row in rows]


def peak(ledger: Ledger) -> tuple[str, float] | None:
    """The case at which a process held the most memory, and how much, MiB."""
    rows = ledger.ask(
        'SELECT "case", peak_mib FROM cases WHERE number IS NOT NULL AND peak_mib IS NOT NULL '
        "ORDER BY peak_mib DESC, number LIMIT 1"
    )
    return (rows[0]["case"], rows[0]["peak_mib"]) if rows else None


def failures(ledger: Ledger) -> list[Failure]:
    """The cases that have failed, in their order."""
    rows = ledger.ask(
        'SELECT "case", images, error, advice, attempts FROM cases '
        "WHERE state = :state AND number IS NOT NULL ORDER BY number",
        {"state": FAILED},
    )
    return [
        Failure(row["case"], tuple(_read(ledger, row["images"], list)), row["error"], row["advice"], row["attempts"])
        for row in rows
    ]


def left(ledger: Ledger) -> Iterator[Left]:
    """What each case that was ever entered left, in the order of the tables, those of earlier commands last."""
    question = 'SELECT "case", state, number, outputs FROM cases ORDER BY number IS NULL, number, "case"'
    for row in ledger.ask(question):
        told = _read(ledger, row["outputs"], dict)
        try:
            outputs = {path: (int(size), str(sha)) for path, (size, sha) in told.items()}
        except (TypeError, ValueError) as error:
            raise _damaged(ledger, f"outputs of {row['case']}: {error}") from error
        yield Left(row["case"], row["state"], row["number"] is not None, outputs)


def inputs(ledger: Ledger) -> list[tuple[str, str]]:
    """Of each case of the last run, in its order, its id and the fingerprint of its files."""
    rows = ledger.ask('SELECT "case", fingerprint FROM cases WHERE number IS NOT NULL ORDER BY number')
    return [(row["case"], row["fingerprint"]) for row in rows]


def work(ledger: Ledger) -> dict[str, float]:
    """Seconds of work on all cases by stage, of whichever run."""
    rows = ledger.ask(
        "SELECT key, sum(value) AS seconds FROM cases, json_each(cases.seconds) "
        "WHERE number IS NOT NULL GROUP BY key ORDER BY min(cases.rowid), key"
    )
    return {row["key"]: float(row["seconds"]) for row in rows}


def damage(ledger: Ledger) -> list[str]:
    """What SQLite finds wrong with the file; nothing where it is whole.

    Raises:
        InputError: It cannot even be looked through.
    """
    found = [str(row[0]) for row in ledger.ask("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else found


def _read(ledger: Ledger, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except (TypeError, ValueError) as error:
        raise _damaged(ledger, str(error)) from error
    if not isinstance(value, kind):
        raise _damaged(ledger, f"{text[:40]!r} is none of its values")
    return value


def _damaged(ledger: Ledger, found: str) -> InputError:
    return InputError(ledger.path, f"is damaged ({found})", "Remove it to begin anew; masks and tables stay.")
