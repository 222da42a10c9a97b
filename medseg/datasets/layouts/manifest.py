"""Layout "manifest": a CSV with a row a case.

Its columns: `id, patient, image[, image_2 ...], label[, label_2 ...], split, spacing_mm`.
"""

import os
import re
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.case_table import SPLITS, CaseTable, parse_spacing, read_rows
from medseg.datasets.dataset import Dataset
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["FILE", "read", "recognises"]

FILE = "manifest.csv"
_CHANNEL = re.compile(r"image(_\d+)?")
_MASK = re.compile(r"label(_\d+)?")


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
    """The cases; all but `id`, `patient` and the images may be empty, other columns are kept as they are.

    Several label columns are the parts of one mask: their union is the label. `spacing_mm` is the pixel spacing
    for images whose files have none: "0.2", or along x, y[, z] "0.2x0.3".

    Relative paths start at the CSV's folder and stay below it.

    Raises:
        DatasetError: A column, file or patient is missing, an id is doubled or unsafe, a split is unknown,
            a spacing cannot be read.
    """
    path = root if root.is_file() else root / FILE
    if table is not None:
        raise DatasetError(path, "a case table was named too", "Leave it away: a manifest has those columns itself.")
    rows = read_rows(path, ("id", "patient", "image"))
    if not rows:
        raise DatasetError(path, "has no row", "Write a line for each case.")
    channels = sorted(filter(_CHANNEL.fullmatch, rows[0][1]), key=_number)
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
    parts = sorted(filter(_MASK.fullmatch, row), key=_number)
    masks = tuple(_existing(folder, row[part], part, where) for part in parts if row[part])
    known = {"id", "patient", "split", "spacing_mm", *parts, *channels}
    columns = {key: value for key, value in row.items() if key not in known}
    return Case(name, patient, images, masks, split, columns, parse_spacing(row.get("spacing_mm", ""), where))


def _existing(folder: Path, text: str, column: str, where: str) -> Path:
    if not text:
        raise DatasetError(where, f"{column} is empty", "Give every channel of the case.")
    if not Path(text).is_absolute() and Path(os.path.normpath(text)).parts[:1] == (os.pardir,):
        raise DatasetError(where, f"{column} {text!r} leaves the manifest's folder", "Write the full path instead.")
    path = folder / text
    if not address.exists(path):
        raise DatasetError(where, f"{column} {text!r} does not exist", "Mend the path, or take the line off.")
    return path


def _number(name: str) -> int:
    return int(name.partition("_")[2] or 1)
