"""What a training leaves for its readers: which cases it had, of whom, and by what software on what machine."""

import csv
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medseg.atomic import atomic_path, write_json
from medseg.case import Case

__all__ = ["machine", "versions", "with_learnt_patients", "write_learnt_cases", "write_machine"]

_PACKAGES = ("medseg", "torch", "monai", "numpy", "scipy", "scikit-image", "SimpleITK", "nibabel", "pydicom")
_OWN = ("case", "patient", "part", "split")


def write_learnt_cases(path: Path, cases: Iterable[Case], parts: Mapping[str, Sequence[str]]) -> None:
    """Write a CSV with a row a case: patient, part, `split` (what the data set itself fixes) and what else it says.

    Args:
        path: The file, `cases.csv` in the folder of a run.
        cases: Of the data set; those in no part are left out.
        parts: Ids of the cases in each part ("train", "test", "fold 0" ...).

    Raises:
        OutputError: It cannot be written.
    """
    part_of = {name: part for part, names in parts.items() for name in names}
    listed = [case for case in cases if case.id in part_of]
    told = {name: f"{name} (case)" if name in _OWN else name for case in listed for name in case.columns}
    with atomic_path(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*_OWN, *told.values()])
        for case in listed:
            further = (case.columns.get(name, "") for name in told)
            table.writerow([case.id, case.patient, part_of[case.id], case.split, *further])


def with_learnt_patients(cases: Iterable[Case], path: Path) -> list[Case]:
    """The cases with the patients and columns that a run knows of them.

    A table of cases that only a training's config names is known to nobody who opens the data set again. Who takes
    each case for a patient of its own gets intervals that are too narrow.

    Args:
        cases: Of the data set. One of which it says whose it is (that is, not the case's own id) keeps that.
        path: What `write_learnt_cases` wrote; it may be absent.
    """
    rows: dict[str, dict[str, str]] = {}
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            rows = {row["case"]: row for row in csv.DictReader(file)}
    return [_told(case, rows.get(case.id)) for case in cases]


def _told(case: Case, row: Mapping[str, str] | None) -> Case:
    if row is None or case.patient not in ("", case.id):
        return case
    more = {name: value for name, value in row.items() if name not in _OWN and value}
    return replace(case, patient=row["patient"], columns={**more, **case.columns})


def write_machine(path: Path) -> None:
    """Write versions and machine as a list, `machine.json` in the folder of a run.

    A run that goes on with other software or elsewhere has an entry more.

    Raises:
        OutputError: It cannot be written.
    """
    now = {"versions": versions(), "machine": machine()}
    try:
        before: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = []
    if now not in before:
        write_json(path, [*before, now])


def versions() -> dict[str, str]:
    """Of Python and of the packages that have a say in what comes out, where they are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor, how many of its cores this process may use, memory and operating system, as far as they are told."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": _processor(), "cores": cores, "memory_gib": _memory_gib(), "system": platform.system()}


def _processor() -> str:
    """The processor's name; Linux keeps it where `platform` does not look."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # not a system that says so
        return None
