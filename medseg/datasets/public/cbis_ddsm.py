"""Layout "cbis_ddsm": the curated mammograms of CBIS-DDSM with a mask for each abnormality.

`mass_case_description_train_set.csv`, `calc_..._test_set.csv` and so on, with a line an abnormality, beside the DICOM
folders that they name: `Mass-Training_P_00001_LEFT_CC/` holds a film, `Mass-Training_P_00001_LEFT_CC_1/` the mask and
a crop of its first abnormality. Paths and names do not say reliably which of the two files is which: the mask is the
one of the film's size.

Lee et al. 2017, A curated mammography data set for use in computer-aided detection and diagnosis research, Scientific
Data 4:170177.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from medseg.case import Case
from medseg.datasets.case_table import read_rows
from medseg.datasets.dataset import Dataset, noted
from medseg.errors import DatasetError, MedsegError
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_TABLE = re.compile(r"(mass|calc)_case_description_(train|test)_set\.csv")
_HOMES = ("", "CBIS-DDSM", "csv")
_FILM, _MASK = "image file path", "ROI mask file path"
_NEEDED = ("patient_id", "left or right breast", "image view", "pathology", _FILM, _MASK)
_PATHOLOGY = {"MALIGNANT": "malignant", "BENIGN": "benign", "BENIGN_WITHOUT_CALLBACK": "benign"}
_SAID = ("abnormality type", "mass shape", "mass margins", "calc type", "calc distribution", "assessment", "subtlety")
Row = tuple[str, dict[str, str]]
Sizes = dict[Path, tuple[int, int]]


def recognises(root: Path) -> bool:
    """Whether a folder, or one of those that are usual in it, has one of the tables."""
    return bool(_tables(root))


def read(root: Path, labels: Labels | None) -> Dataset:
    """A case for each film, with the masks of all its abnormalities; the tables' names fix the split.

    Masses and calcifications were split apart: all cases of a patient in both parts count as test.

    Raises:
        DatasetError: There is no table, or one is broken.
    """
    tables = _tables(root)
    if not tables:
        raise DatasetError(root, "has no mass_case_description_train_set.csv or the like", "Put the tables into it.")
    problems: list[DatasetError] = []
    films: dict[tuple[str, str], list[Row]] = {}
    for path, split in tables:
        for line, row in read_rows(path, _NEEDED, problems):
            films.setdefault((_folder(row[_FILM]), split), []).append((f"{path}, line {line}", row))
    cases: list[Case] = []
    for (name, split), rows in sorted(films.items()):
        with noted(problems):
            cases.append(_case(root, name, split, rows))
    cases, warnings = _parted(cases)
    named = labels or Labels.of_structures(["benign", "malignant"])
    return Dataset(root, "cbis_ddsm", tuple(cases), named, ("image",), "MG", warnings, tuple(problems))


def _tables(root: Path) -> list[tuple[Path, str]]:
    """The tables, and the part of the split that each fixes."""
    paths = [path for home in _HOMES for path in sorted((root / home).glob("*_case_description_*_set.csv"))]
    return [(path, found[2]) for path in paths if (found := _TABLE.fullmatch(path.name))]


def _folder(path: str) -> str:
    """The first folder of a path in the tables, where paths may end in line breaks and quotes."""
    return path.strip('" \r\n\t').replace("\\", "/").partition("/")[0]


def _case(root: Path, name: str, split: str, rows: list[Row]) -> Case:
    where, first = rows[0]
    sizes = _sizes(root, name)
    if not sizes:
        raise DatasetError(where, f"the film's folder {name!r} holds no DICOM", "Fetch it, or take the line out.")
    image = max(sizes, key=lambda path: sizes[path][0] * sizes[path][1])
    structures = [_structure(row["pathology"], place) for place, row in rows]
    masks = [_mask(_sizes(root, _folder(row[_MASK])), sizes[image], _folder(row[_MASK]), place) for place, row in rows]
    columns = {
        "laterality": first["left or right breast"][:1].upper(),
        "view": first["image view"],
        "density": first.get("breast_density") or first.get("breast density", ""),
        "pathology": _several(structures),
    }
    columns |= {said.replace(" ", "_"): _several(row.get(said, "") for _, row in rows) for said in _SAID}
    columns = {key: value for key, value in columns.items() if value}
    return Case(name, first["patient_id"], (image,), tuple(masks), split, columns, structures=tuple(structures))


def _structure(pathology: str, where: str) -> str:
    if pathology.upper() not in _PATHOLOGY:
        raise DatasetError(where, f"unknown pathology {pathology!r}", "Mend it.", f"one of {', '.join(_PATHOLOGY)}")
    return _PATHOLOGY[pathology.upper()]


def _several(values: Iterable[str]) -> str:
    return "+".join(dict.fromkeys(value for value in values if value))


def _mask(sizes: Sizes, size: tuple[int, int], name: str, where: str) -> Path:
    fitting = [path for path, own in sizes.items() if own == size]
    if len(fitting) == 1:
        return fitting[0]
    found = ", ".join(f"{path.name} {rows}×{columns}" for path, (rows, columns) in sizes.items()) or "nothing"
    raise DatasetError(
        where,
        f"the mask's folder {name!r} holds {found}",
        "Fetch it again, or take the line out.",
        f"one file of the film's size, {size[0]}×{size[1]}",
    )


def _sizes(root: Path, name: str) -> Sizes:
    """Rows and columns of each DICOM file below a folder of the tables, by their headers."""
    from medseg.io.dicom.headers import read_header

    homes = [root / home / name for home in _HOMES if name not in ("", ".", "..")]
    sizes: Sizes = {}
    for path in (path for home in homes for path in sorted(home.rglob("*")) if path.is_file()):
        try:
            one = read_header(path)
        except MedsegError as error:
            raise DatasetError(path, f"cannot be read ({error})", "Fetch it again.") from error
        if one is not None and "Rows" in one.header:
            sizes[path] = one.header["Rows"], one.header["Columns"]
    return sizes


def _parted(cases: list[Case]) -> tuple[list[Case], tuple[str, ...]]:
    """Cases of which no patient is in two parts."""
    tested = {case.patient for case in cases if case.split == "test"}
    both = sorted({case.patient for case in cases if case.split == "train"} & tested)
    moved = [replace(case, split="test") if case.patient in both else case for case in cases]
    text = f"{len(both)} patients are in the train and the test part ({', '.join(both[:5])}): all their cases are test"
    return moved, (text,) if both else ()
