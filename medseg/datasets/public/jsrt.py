"""Layout "jsrt": the films of the JSRT database with the SCR masks of lungs, heart and clavicles.

`JPCLN001.IMG` (with a nodule) and `JPCNN001.IMG` (without), at any place below the folder, beside
`fold1/masks/left lung/JPCLN001.gif` and the like, which SCR draws at half the size, 1024 by 1024. The clavicles lie
on the lungs: labels overlap. SCR's two folds are halves of the films; a film's fold is a column. `CLNDAT_EN.txt` and
`CNNDAT_EN.TXT` say age, sex and what is known of the nodule.

Shiraishi et al. 2000, AJR 174:71-74; van Ginneken et al. 2006, Medical Image Analysis 10:19-40.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from medseg.case import Case
from medseg.datasets.dataset import Dataset, noted
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_STRUCTURES = ("left lung", "right lung", "heart", "left clavicle", "right clavicle")
_FILM, _FOLD = re.compile(r"JPC[LN]N\d{3}", re.IGNORECASE), re.compile(r"fold\d")
_LOOKED_AT = 64  # folders
_TABLES = ("clndat_en.txt", "cnndat_en.txt")
_NODULE = ("subtlety", "nodule_size_mm", "patient_age_y", "sex", "nodule_x", "nodule_y", "pathology", "position")
_NO_NODULE = ("patient_age_y", "sex", "pathology")


def recognises(root: Path) -> bool:
    """Whether one of the first folders below a folder holds films `JPCLNnnn` or `JPCNNnnn` of JSRT's size."""
    if not root.is_dir():
        return False
    for _, (folder, inner, names) in zip(range(_LOOKED_AT), os.walk(root), strict=False):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if any(_is_film(Path(name)) and formats.is_jsrt(Path(folder, name)) for name in names):
            return True
    return False


def read(root: Path, labels: Labels | None) -> Dataset:
    """The films, each of another patient; one with some of its masks missing is reported, one without is unlabelled.

    Raises:
        DatasetError: There is no film, or a table is broken.
    """
    below = sorted(Path(folder, name) for folder, _inner, names in os.walk(root) for name in names)
    said = _said(path for path in below if path.name.lower() in _TABLES)
    masks = {(formats.stem(path).upper(), path.parent.name.lower()): path for path in below if _is_mask(path)}
    problems: list[DatasetError] = []
    cases: list[Case] = []
    for path in filter(_is_film, below):
        with noted(problems):
            cases.append(_case(path, masks, said))
    if not cases and not problems:
        raise DatasetError(root, "holds no film", "Pass the folder that holds JPCLN001.IMG …")
    named = labels or Labels.of_structures(_STRUCTURES, exclusive=False)
    return Dataset(root, "jsrt", tuple(cases), named, ("image",), "RG", problems=tuple(problems))


def _is_film(path: Path) -> bool:
    return path.suffix.lower() == ".img" and _FILM.fullmatch(path.stem) is not None


def _is_mask(path: Path) -> bool:
    return path.parent.name.lower() in _STRUCTURES and _FILM.fullmatch(formats.stem(path)) is not None


def _case(path: Path, masks: dict[tuple[str, str], Path], said: dict[str, dict[str, str]]) -> Case:
    name = path.stem.upper()
    own = {structure: masks[name, structure] for structure in _STRUCTURES if (name, structure) in masks}
    if own and len(own) < len(_STRUCTURES):
        absent = ", ".join(structure for structure in _STRUCTURES if structure not in own)
        raise DatasetError(path, f"has masks, but none of {absent}", "Fetch the SCR masks again.")
    folds = [part for mask in own.values() for part in mask.parts if _FOLD.fullmatch(part)]
    columns = {"nodule": "yes" if name[3] == "L" else "no", **said.get(name, {})}
    columns |= {"fold": folds[0]} if folds else {}
    return Case(name, name, (path,), tuple(own.values()), columns=columns, structures=tuple(own), mask_step=2)


def _said(tables: Iterable[Path]) -> dict[str, dict[str, str]]:
    """What the tables say of each film: of those with a nodule in columns of tabs, of others in words with blanks."""
    found: dict[str, dict[str, str]] = {}
    for path in tables:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()  # some copies end lines with CR
        except OSError as error:
            raise DatasetError(path, f"cannot be read ({error})", "Fetch it again.") from error
        for line in lines:
            name, *values = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())] or [""]
            if _FILM.fullmatch(Path(name).stem):
                found[Path(name).stem.upper()] = _row(_NODULE if "\t" in line else _NO_NODULE, values)
    return found


def _row(names: Iterable[str], values: list[str]) -> dict[str, str]:
    row = dict(zip(names, values, strict=False))
    row["sex"] = {"male": "M", "female": "F"}.get(row.get("sex", "").lower(), "")
    return {name: value for name, value in row.items() if value not in ("", "?")}
