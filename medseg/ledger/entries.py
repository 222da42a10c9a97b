"""The rows of the ledger: a run, a case as it is planned, and a case with what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DONE", "ENDED", "FAILED", "QUEUED", "RUNNING", "SKIPPED", "STATES", "Entry", "Planned", "Run"]

# skipped: left out by a rule of the user's
QUEUED, RUNNING, DONE, FAILED, SKIPPED = STATES = ("queued", "running", "done", "failed", "skipped")
ENDED = (DONE, FAILED, SKIPPED)


@dataclass(frozen=True)
class Run:
    """One start of a batch.

    Args:
        command: The command line, where there was one.
        model: SHA-256 of the model's weights, "" where it has none to tell.
        settings_hash: Of everything that can change a byte of an output; see `digest`.
        plan_hash: Of the model's description, its plan.
        asked: How the model was to run, as the user said it ("auto" among it).
        settings: How it runs.
        tables: What exporting needs: names of the labels, whether they exclude one another, masks alone or not.
        versions: Of the programs, by name.
        machine: What it ran on.
    """

    command: str = ""
    model: str = ""
    settings_hash: str = ""
    plan_hash: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """A case of a run before anything is done to it.

    Args:
        case: Its id.
        number: Its place in the run, and so in the tables.
        patient: Whose it is.
        images: Its files, as they were named.
        columns: What its data set says of it.
        fingerprint: Of its files; see `fingerprint`.
        model: As in `Run`.
        settings: `Run.settings_hash`.
    """

    case: str
    number: int
    patient: str
    images: tuple[str, ...]
    columns: Mapping[str, str]
    fingerprint: str
    model: str
    settings: str


@dataclass(frozen=True)
class Entry(Planned):
    """A case with what came of it.

    Args:
        state: One of `STATES`.
        attempts: That were begun, or lost with the process that was at it.
        seconds: Of work by stage: "reading", "network", "writing".
        peak_mib: The most resident memory that a process held while it was at the case, MiB; None where unknown.
        warnings: What the user should know of the result.
        error: Why it failed or was left out, and `advice` what mends it.
        advice: A sentence.
        facts: What its header says of it, and the model of how the mask came about.
        count: Regions; None where they were not measured.
        regions: Their table, packed (see `medseg.batch.packing`); None where they were not measured.
        outputs: Of each file below OUT its size in bytes and its SHA-256.
    """

    state: str = QUEUED
    attempts: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_mib: float | None = None
    warnings: tuple[str, ...] = ()
    error: str = ""
    advice: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    count: int | None = None
    regions: bytes | None = None
    outputs: Mapping[str, tuple[int, str]] = field(default_factory=dict)
