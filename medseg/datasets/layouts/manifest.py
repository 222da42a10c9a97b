"""Layout "manifest": a CSV with a row a case.

Its columns: `id, patient, image[, image_2 ...], label[, label_2 ...], split, spacing_mm`; `label:STRUCTURE` for a file
of one structure, `reader:NAME` for the mask of one reader, `annotated` and `negative`.
"""

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import TypeVar

from medseg import address
from medseg.case import Case
from medseg.datasets.case_table import SPLITS, header_names, parse_spacing, read_rows
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.manifest_columns import ManifestColumns, parse_names, parse_yes_no
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["FILE", "read", "recognises"]

T = TypeVar("T", bound=Hashable)

FILE = "manifest.csv"


def recognises(root: Path) -> bool:
    """Whether this is a CSV file, or a folder with a `manifest.csv` that names cases or images.

    Folders hold other tables by that name too; with none of our columns it is one of those.
    """
    if root.is_file():
        return root.suffix.lower() == ".csv"
    return bool(header_names(root / FILE) & {"id", "patient", "image"})


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases; all but `id`, `patient` and the images may be empty, other columns are kept as they are.

    Several label columns are the parts of one mask: their union is the label. `label:STRUCTURE` columns hold a file
    for each structure; one that is empty where others of the row are filled was not annotated, unless `annotated`
    ("liver;tumour", "all") says more. `negative` is yes where there is nothing to find. `spacing_mm` is the pixel
    spacing for images whose files have none: "0.2", or along x, y[, z] "0.2x0.3".

    Relative paths start at the CSV's folder and stay below it, so that the folder can be moved; links below it
    may lead anywhere, and full paths too.

    Raises:
        DatasetError: The file cannot be read, lacks a column or has no row. What is wrong with single rows or columns
            is in `problems`.
    """
    path = root if root.is_file() else root / FILE
    problems: list[DatasetError] = []
    rows = read_rows(path, ("id", "patient", "image"), problems)
    if not rows and not problems:
        raise DatasetError(path, "has no row", "Write a line for each case.")
    columns = ManifestColumns.of(tuple(rows[0][1]) if rows else ("image",), str(path))
    problems += columns.problems
    ids: dict[str, int] = {}
    images: dict[tuple[str, ...], int] = {}
    cases = []
    for line, row in rows:
        where, wrong = f"{path}, line {line}", list[DatasetError]()
        with noted(wrong):
            _only_once(f"id {row['id']!r}", row["id"], line, ids, where)
        case = _case(path.parent, row, columns, where, wrong)
        if not wrong:
            with noted(wrong):
                files = tuple(os.path.normpath(file) for file in case.images)
                _only_once(f"image {row['image']!r}", files, line, images, where)
        problems += wrong
        cases += [case] if not wrong else []
    return Dataset(path.parent, "manifest", tuple(cases), labels, columns.images, problems=tuple(problems))


def _only_once(what: str, key: T, line: int, seen: dict[T, int], where: str) -> None:
    before = seen.setdefault(key, line)
    if before != line:
        mend = "Keep one row an image, with an id of its own; several masks stand side by side, as label, label_2."
        raise DatasetError(where, f"the {what} was used before, in line {before}", mend)


def _case(folder: Path, row: dict[str, str], columns: ManifestColumns, where: str, wrong: list[DatasetError]) -> Case:
    """The case as far as its row can be read; each cell that cannot be is in `wrong`."""
    masks: tuple[Path, ...] = ()
    structures: tuple[str, ...] = ()
    readers: dict[str, tuple[Path, ...]] = {}
    images, spacing, negative = [], None, False
    with noted(wrong):
        _check_names(row, where)
    for channel in columns.images:
        with noted(wrong):
            images.append(_existing(folder, row[channel], channel, where))
    with noted(wrong):
        masks, structures = _masks(folder, row, columns, where)
    for column, reader in columns.readers:
        with noted(wrong):
            if row[column]:
                readers[reader] = (*readers.get(reader, ()), _existing(folder, row[column], column, where))
    with noted(wrong):
        if masks and readers:
            mend = "Keep the label as one of them (reader:consensus, say), and choose it with reading.consensus."
            raise DatasetError(where, "has a label beside the masks of readers", mend)
    with noted(wrong):
        spacing = parse_spacing(row.get("spacing_mm", ""), where)
    with noted(wrong):
        negative = parse_yes_no(row.get("negative", ""), where)
    kept = {own: row[column] for column, own in columns.kept}
    split, annotated = row.get("split", ""), _annotated(row, columns)
    return Case(
        row["id"], row["patient"], tuple(images), masks, split, kept, spacing, structures, annotated, readers, negative
    )


def _check_names(row: dict[str, str], where: str) -> None:
    name, split = row["id"], row.get("split", "")
    if not re.fullmatch(r"[^/\\\x00-\x1f]+", name) or name.startswith("."):
        raise DatasetError(where, f"the id {name!r} cannot name a folder", "Use letters, digits, '.', '_' and '-'.")
    if not row["patient"]:
        raise DatasetError(where, "the patient is empty", "Say whose the image is: splits need it.")
    if split not in ("", *SPLITS):
        raise DatasetError(where, f"unknown split {split!r}", "Mend it, or leave it empty.", ", ".join(SPLITS))


def _masks(
    folder: Path, row: dict[str, str], columns: ManifestColumns, where: str
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files of the reference, and the structure that each shows where that is how the row has them."""
    filled = [(column, name) for column, name in columns.structures if row[column]]
    whole = [column for column in columns.masks if row[column]]
    if filled and whole:
        found = f"has both {whole[0]} and {filled[0][0]}"
        raise DatasetError(where, found, "Give a mask of all labels, or a file for each structure.")
    masks = tuple(_existing(folder, row[column], column, where) for column in whole or [c for c, _ in filled])
    return masks, tuple(name for _, name in filled)


def _annotated(row: dict[str, str], columns: ManifestColumns) -> tuple[str, ...] | None:
    said = row.get("annotated", "")
    if said:
        return parse_names(said)
    names = dict.fromkeys(name for _, name in columns.structures)
    filled = dict.fromkeys(name for column, name in columns.structures if row[column])
    return tuple(filled) if 0 < len(filled) < len(names) else None


def _existing(folder: Path, text: str, column: str, where: str) -> Path:
    if not text:
        raise DatasetError(where, f"{column} is empty", "Give every channel of the case, or take the line off.")
    if not Path(text).is_absolute() and Path(os.path.normpath(text)).parts[:1] == (os.pardir,):
        raise DatasetError(where, f"{column} {text!r} leaves the manifest's folder", "Write the full path instead.")
    path = folder / text
    if not address.exists(path):
        raise DatasetError(where, f"{column} {text!r} does not exist", "Mend the path, or take the line off.")
    return path
