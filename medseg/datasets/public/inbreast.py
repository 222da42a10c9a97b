"""Layout "inbreast": the INbreast mammograms with their contours.

`AllDICOMs/22678622_61b13c59bcba149d_MG_L_CC_ANON.dcm` (image, patient, side, view), `AllXML/22678622.xml` and
`INbreast.csv`, whose fields are separated by semicolons.

Moreira et al. 2012, INbreast: Toward a Full-field Digital Mammographic Database, Acad Radiol 19(2):236-248.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from medseg.case import Case
from medseg.datasets.case_table import CaseTable, apply_case_table, read_rows
from medseg.datasets.dataset import Dataset, noted
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_IMAGES, _CONTOURS, _TABLE = "AllDICOMs", "AllXML", "INbreast.csv"
_NAME = re.compile(r"(\d+)_([0-9a-f]+)_MG_([LR])_([A-Z]+)_ANON\.dcm", re.IGNORECASE)
_NORMAL = "1"  # BI-RADS
_COLUMNS = {"ACR": "density", "Bi-Rads": "birads", "Acquisition date": "date", "Patient age": "age"}
_UNKNOWN = ("", "removed")
_SHOWN = 5
# Findings lie within one another (calcifications in a mass), and the radiologists spelt their names in several ways.
_LABELS = {
    "mass": ["Mass"],
    "calcification": ["Calcification", "Calcifications"],
    "cluster": ["Cluster"],
    "spiculated region": ["Spiculated Region", "Espiculated Region"],
    "asymmetry": ["Asymmetry", "Assymetry"],
    "distortion": ["Distortion"],
    "overlapping": True,
}


def recognises(root: Path) -> bool:
    """Whether a folder has `AllDICOMs/` and `AllXML/`."""
    return (root / _IMAGES).is_dir() and (root / _CONTOURS).is_dir()


def read(root: Path, labels: Labels | None, table: CaseTable | None) -> Dataset:
    """The images; one without contours has nothing to find where the table says BI-RADS 1, else it is not labelled.

    Raises:
        DatasetError: There is no image, or a table is broken or does not fit.
    """
    described = _described(root / _TABLE)
    problems: list[DatasetError] = []
    cases: dict[str, Case] = {}
    for path in sorted((root / _IMAGES).glob("*.dcm")):
        with noted(problems):
            case = _case(root, path, described)
            if case.id in cases:
                raise DatasetError(path, f"has the number of {cases[case.id].images[0].name}", "Keep one of them.")
            cases[case.id] = case
    if not cases and not problems:
        raise DatasetError(root / _IMAGES, "holds no image", "Put the .dcm files of INbreast into it.")
    contours = sorted(path.stem for path in (root / _CONTOURS).glob("*.xml"))
    warnings = _warnings(
        ([name for name, case in cases.items() if not case.labelled], "images have neither contours nor BI-RADS 1"),
        ([name for name in contours if name not in cases], f"files of {_CONTOURS}/ have no image and are left out"),
    )
    ordered = [cases[name] for name in sorted(cases)]
    if table is not None:
        ordered, spare = apply_case_table(ordered, root, table)
        warnings += spare
    declared = labels or Labels.from_config(_LABELS)
    return Dataset(root, "inbreast", tuple(ordered), declared, ("image",), "MG", warnings, tuple(problems))


def _described(path: Path) -> dict[str, dict[str, str]]:
    """Rows of the table by the number of the image; none where there is no table."""
    if not path.is_file():
        return {}
    return {row["File Name"]: row for _line, row in read_rows(path, ("File Name", "Bi-Rads"), delimiter=";")}


def _case(root: Path, path: Path, described: Mapping[str, Mapping[str, str]]) -> Case:
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise DatasetError(path, "has no name of INbreast", "Mend it.", "IMAGE_PATIENT_MG_L_CC_ANON.dcm")
    number, patient, side, view = found.groups()
    row = described.get(number, {})
    known = {name: row[column] for column, name in _COLUMNS.items() if row.get(column, "") not in _UNKNOWN}
    contours = root / _CONTOURS / f"{number}.xml"
    masks = (contours,) if contours.is_file() else ()
    columns = {"laterality": side.upper(), "view": view.upper(), **known}
    return Case(number, patient, (path,), masks, columns=columns, negative=not masks and row.get("Bi-Rads") == _NORMAL)


def _warnings(*lists: tuple[list[str], str]) -> tuple[str, ...]:
    return tuple(
        f"{len(names)} {text} ({', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''})"
        for names, text in lists
        if names
    )
