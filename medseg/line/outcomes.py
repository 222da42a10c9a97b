"""What came of one case of a batch, and how a failure is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from medseg.case import Case
from medseg.errors import MedsegError
from medseg.line.spending import Spent

__all__ = ["CASE_COLUMNS", "Outcome", "advice", "crash", "described", "reason"]

CASE_COLUMNS = ("case", "patient", "status", "regions", "warnings", "error", "images")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one case.

    Args:
        number: Its place in the batch.
        case: The case.
        seconds: Of work on it, in whatever process, by stage: "reading", "network", "writing".
        peak_mib: The most resident memory that a process held while it was at it, MiB; None where unknown.
        facts: What its header says of it, and the model of how the mask came about.
        notes: Warnings.
        count: Its regions; None where it failed, or was not measured.
        regions: The table of its regions, packed; None likewise.
        outputs: Of each of its files, by the path below the folder of the batch, bytes and SHA-256.
        error: Why it failed.
    """

    number: int
    case: Case
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_mib: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    count: int | None = None
    regions: bytes | None = None
    outputs: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    error: Exception | None = None

    def after(self, stage: str, spent: Spent, share: int = 1, **changes: Any) -> "Outcome":
        """With what a stage cost, of a group of `share` cases the case's part; and with changes."""
        seconds = {**self.seconds, stage: self.seconds.get(stage, 0.0) + spent.seconds / share}
        peaks = [peak for peak in (self.peak_mib, spent.peak_mib) if peak is not None]
        return replace(self, seconds=seconds, peak_mib=max(peaks, default=None), **changes)


def reason(error: Exception) -> str:
    """An error in words; what we did not foresee is named as such."""
    return str(error) if isinstance(error, MedsegError) else f"unexpected {type(error).__name__}: {error}"


def advice(error: Exception) -> str:
    """What mends an error, where we know it."""
    return error.mend if isinstance(error, MedsegError) else ""


def described(row: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    """A case's row with what is known of it; what the row has already stays, and our own columns are never taken."""
    more = {f"{name} (case)" if name in CASE_COLUMNS else name: value for name, value in said.items()}
    return {**more, **row}


def crash(case: Case, doing: str, how: str) -> MedsegError:
    """The error of a case that took a process down with it."""
    if "--" in how:
        mend = "Give it more, and the command again with --retry-failed; or take the case out."
        return MedsegError(case.id, f"{doing} it was given up because {how}", mend)
    found = f"{doing} it failed because {how}: out of memory, or a defect in what decodes or writes it"
    return MedsegError(case.id, found, "Convert its files, or take the case out.")
