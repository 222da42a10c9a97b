"""Layout "manifest": a CSV with a row a case: `id, patient, image[, image_2 ...], label, split`."""

import os
import re
from pathlib import Path

from medseg.case import Case
from medseg.datasets.case_table import SPLITS, CaseTable, read_rows
from medseg.datasets.dataset import Dataset
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["FILE", "read", "recognises"]

FILE = "manifest.csv"
_CHANNEL = re.compile(r"image(_\d+)?")


def recognises(root: Path) -> bool:
    """Whether this is a CSV file, or a folder with a `manifest.csv` that names cases or images.

    Folders hold other tables by that name too; with none of our columns it is one of those.
    """
    if root.is_file():
        return root.suffix.lower() == ".csv"
    try:
        with (root / FILE).open(encoding="utf-8-sig", errors="replace") as file:
            names = {name.strip(' "\r\n') for name in file.readline().split(",")}
    except OSError:
        return False
    return bool(names & {"id", "patient", "image"})


def read(root: Path, labels: Labels | None, table: CaseTable | None) -> Dataset:
    """The cases; `label` and `split` may be empty, other columns are kept as they are.

    Relative paths start at the CSV's folder and stay below it.

    Raises:
        DatasetError: A column, file or patient is missing, an id is doubled or unsafe, a split is unknown.
    """
    path = root if root.is_file() else root / FILE
    if table is not None:
        raise DatasetError(path, "a case table was named too", "Leave it away: a manifest has those columns itself.")
    rows = read_rows(path, ("id", "patient", "image"))
    if not rows:
        raise DatasetError(path, "has no row", "Write a line for each case.")
    channels = sorted((name for name in rows[0][1] if _CHANNEL.fullmatch(name)), key=_channel_number)
    cases: dict[str, Case] = {}
    for line, row in rows:
        case = _case(path.parent, row, channels, f"{path}, line {line}")
        if case.id in cases:
            raise DatasetError(f"{path}, line {line}", f"the id {case.id!r} was used before", "Give each its own.")
        cases[case.id] = case
    ordered = tuple(cases[name] for name in sorted(cases))
    return Dataset(path.parent, "manifest", ordered, labels, tuple(channels))


def _case(folder: Path, row: dict[str, str], channels: list[str], where: str) -> Case:
    name, patient, split = row["id"], row["patient"], row.get("split", "")
    if not re.fullmatch(r"[^/\\\x00-\x1f]+", name) or name.startswith("."):
        raise DatasetError(where, f"the id {name!r} cannot name a folder", "Use letters, digits, '.', '_' and '-'.")
    if not patient:
        raise DatasetError(where, "the patient is empty", "Say whose the image is: splits need it.")
    if split not in ("", *SPLITS):
        raise DatasetError(where, f"unknown split {split!r}", "Mend it, or leave it empty.", ", ".join(SPLITS))
    images = tuple(_existing(folder, row[channel], channel, where) for channel in channels)
    masks = (_existing(folder, row["label"], "label", where),) if row.get("label") else ()
    known = {"id", "patient", "split", "label", *channels}
    return Case(name, patient, images, masks, split, {key: value for key, value in row.items() if key not in known})


def _existing(folder: Path, text: str, column: str, where: str) -> Path:
    if not text:
        raise DatasetError(where, f"{column} is empty", "Give every channel of the case.")
    if not Path(text).is_absolute() and Path(os.path.normpath(text)).parts[:1] == (os.pardir,):
        raise DatasetError(where, f"{column} {text!r} leaves the manifest's folder", "Write the full path instead.")
    path = folder / text
    if not path.exists():
        raise DatasetError(where, f"{column} {text!r} does not exist", "Mend the path, or take the line off.")
    return path


def _channel_number(name: str) -> int:
    return int(name.partition("_")[2] or 1)
