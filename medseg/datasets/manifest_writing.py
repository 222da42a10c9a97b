"""Writes cases as a manifest, from which the layout "manifest" reads them back."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from medseg.atomic import write_text
from medseg.case import Case
from medseg.datasets.manifest_columns import ALL, KEPT, NONE, ManifestColumns
from medseg.errors import DatasetError

__all__ = ["write_manifest"]


def write_manifest(path: Path, cases: Iterable[Case]) -> None:
    """Write a row a case; columns that no case needs are left out.

    Files below the manifest's folder are named from there, others by their full path.

    Args:
        path: The CSV file.
        cases: Cases with as many images each.

    Raises:
        DatasetError: There is no case, two have one id, they differ in channels, or a text cannot stand in a table.
        OutputError: The file cannot be written.
    """
    listed = sorted(cases, key=lambda case: case.id)
    if not listed or len({len(case.images) for case in listed}) > 1:
        found = "cases with different numbers of images" if listed else "no case"
        raise DatasetError(path, found, "Give cases with as many channels each.")
    if len({case.id for case in listed}) < len(listed):
        raise DatasetError(path, "two cases have one id", "Give each its own.")
    structures = tuple(dict.fromkeys(name for case in listed for name in case.structures))
    rows = [_row(case, structures, Path(os.path.normpath(path.absolute())).parent) for case in listed]
    filled = {name for row in rows for name, text in row.items() if text} | {"id", "patient", "image"}
    own = {_own(name) for case in listed for name in case.columns}  # one that is empty throughout is still there
    names = sorted((filled | own) & {name for row in rows for name in row}, key=_place)
    table = io.StringIO()
    writer = csv.DictWriter(table, names, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())


def _row(case: Case, structures: Sequence[str], folder: Path) -> dict[str, str]:
    row = {"id": case.id, "patient": case.patient}
    row |= _files("image", case.images, folder)
    if case.structures:
        for name in dict.fromkeys(case.structures):
            own = [mask for mask, structure in zip(case.masks, case.structures, strict=True) if structure == name]
            row |= {f"{column}:{name}": text for column, text in _files("label", own, folder).items()}
    else:
        row |= _files("label", case.masks, folder)
    for reader, masks in case.readers.items():
        row |= {f"{column}:{reader}": text for column, text in _files("reader", masks, folder).items()}
    row["annotated"] = _annotated(case, structures)
    row["negative"] = "yes" if case.negative else ""
    row["split"] = case.split
    row["spacing_mm"] = "x".join(map(repr, case.spacing_mm or ()))
    row |= {_own(name): text for name, text in case.columns.items()}
    for name, text in row.items():
        if text != text.strip() or name != name.strip():
            found = f"{name!r}: {text!r} begins or ends with a space"
            raise DatasetError(case.id, found, "Rename it: tables do not keep such spaces.")
    return row


def _files(kind: str, paths: Sequence[Path], folder: Path) -> dict[str, str]:
    """`image`, `image_2`, ... with where each file is."""
    places = [Path(os.path.normpath(path.absolute())) for path in paths]
    shown = [place.relative_to(folder) if place.is_relative_to(folder) else place for place in places]
    return {kind if number == 1 else f"{kind}_{number}": str(place) for number, place in enumerate(shown, start=1)}


def _annotated(case: Case, structures: Sequence[str]) -> str:
    """What was looked for, where the empty cells of the structures do not say just that."""
    present = tuple(name for name in structures if name in case.structures)
    told = present if 0 < len(present) < len(structures) else None
    if told == case.annotated:
        return ""
    if not case.annotated:
        return ALL if case.annotated is None else NONE
    if any(";" in name for name in case.annotated):
        raise DatasetError(case.id, f"a structure's name has a semicolon: {case.annotated}", "Rename it.")
    text = ";".join(case.annotated)
    return f"{text};" if text.lower() in (ALL, NONE) else text  # a structure of that name


def _own(name: str) -> str:
    return KEPT + name if ManifestColumns.means_something(name) else name


def _place(name: str) -> tuple[int, str, int]:
    """Order of the columns: ours first, those of one kind by name and number."""
    kinds = ("id", "patient", "image", "label", "reader", "annotated", "negative", "split", "spacing_mm")
    kind, _, whose = name.partition(":")
    stem, _, number = kind.rpartition("_") if kind.rpartition("_")[2].isdigit() else (kind, "", "1")
    return (kinds.index(stem), whose, int(number)) if stem in kinds else (len(kinds), name, 0)
