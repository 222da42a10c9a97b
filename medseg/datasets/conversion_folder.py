"""Converts case by case into a folder of our own, where a run that died is simply begun again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medseg.atomic import write_text
from medseg.case import Case
from medseg.datasets.dataset import Dataset
from medseg.errors import DatasetError, MedsegError, OutputError
from medseg.reporting import Reporter, Silent

__all__ = ["Conversion", "convert_all", "own_folder", "remove_others"]

# Says that a folder is ours to write over; first to come and last to go.
_MARK = "conversion.json"


@dataclass(frozen=True)
class Conversion:
    """What became of a conversion.

    Args:
        out: The folder that was written.
        cases: The cases as they are there.
        failures: Ids of the cases (or files) that could not be converted, each with the reason.
    """

    out: Path
    cases: tuple[Case, ...]
    failures: tuple[tuple[str, str], ...]


def convert_all(dataset: Dataset, out: Path, convert: Callable[[Case], Case], reporter: Reporter | None) -> Conversion:
    """Convert each case; one that fails is written down, and so is what was wrong with the data set.

    Raises:
        DatasetError: No case could be converted.
    """
    reporter = reporter or Silent()
    cases, failures = [], [(str(problem.where), str(problem)) for problem in dataset.problems]
    for case in reporter.track(dataset.cases, "Converting", len(dataset.cases)):
        try:
            cases.append(convert(case))
        except MedsegError as error:
            failures.append((case.id, str(error)))
    if not cases:
        why = f"no case could be converted: {failures[0][1]}" if failures else "has no case"
        raise DatasetError(dataset.root, why, "Mend the first one and try again.")
    return Conversion(out, tuple(cases), tuple(failures))


@contextmanager
def own_folder(dataset: Dataset, out: Path, to: str, last: str) -> Iterator[None]:
    """A folder that is ours: new, or begun by the same conversion; what makes it a data set is written last.

    Args:
        dataset: What is converted.
        out: The folder.
        to: Name of the arrangement.
        last: The file by which the arrangement is recognised; an older one is taken away first.

    Raises:
        OutputError: It holds something else.
    """
    mark = json.dumps({"source": str(dataset.root.resolve()), "to": to}, indent=1) + "\n"
    try:
        held = {path.name for path in out.iterdir()} if out.exists() else set()
        ours = not held or ((out / _MARK).is_file() and (out / _MARK).read_text(encoding="utf-8") == mark)
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(out, f"cannot be looked into ({error})", "Choose a new folder.") from error
    if not ours:
        raise OutputError(out, "holds something else", "Choose a new folder: nothing is written over.")
    write_text(out / _MARK, mark)
    (out / last).unlink(missing_ok=True)
    yield


def remove_others(out: Path, cases: tuple[Case, ...], folders: tuple[str, ...]) -> None:
    """Take away what an earlier run left of cases that are no longer there, or failed."""
    kept = {path for case in cases for path in (*case.images, *case.masks)}
    kept |= {path for case in cases for masks in case.readers.values() for path in masks}
    for folder in folders:
        for path in (out / folder).iterdir() if (out / folder).is_dir() else ():
            if path not in kept:
                path.unlink()
