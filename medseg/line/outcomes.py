"""What came of one case of a batch, and how a failure is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.errors import MedsegError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CASE_COLUMNS", "Outcome", "crash", "described", "reason"]

CASE_COLUMNS = ("case", "patient", "status", "regions", "warnings", "error", "images")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one case.

    Args:
        number: Its place in the batch.
        case: The case.
        seconds: Of work on it, in whatever process.
        facts: What its header says of it.
        notes: Warnings.
        regions: The table of its regions; None where it failed, or was not measured.
        error: Why it failed.
    """

    number: int
    case: Case
    seconds: float
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    regions: "pd.DataFrame | None" = None
    error: Exception | None = None


def reason(error: Exception) -> str:
    """An error in words; what we did not foresee is named as such."""
    return str(error) if isinstance(error, MedsegError) else f"unexpected {type(error).__name__}: {error}"


def described(row: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    """A case's row with what is known of it; what the row has already stays, and our own columns are never taken."""
    more = {f"{name} (case)" if name in CASE_COLUMNS else name: value for name, value in said.items()}
    return {**more, **row}


def crash(case: Case, doing: str, how: str) -> MedsegError:
    """The error of a case that took a process down with it."""
    found = f"{doing} it failed because {how}: out of memory, or a defect in what decodes or writes it"
    return MedsegError(case.id, found, "Convert its files, or take the case out.")
