"""Layout "inbreast": the INbreast mammograms with their contours.

`AllDICOMs/22678622_61b13c59bcba149d_MG_L_CC_ANON.dcm` (image, patient, side, view), `AllXML/22678622.xml` and
`INbreast.csv`, whose fields are separated by semicolons.

Moreira et al. 2012, INbreast: Toward a Full-field Digital Mammographic Database, Acad Radiol 19(2):236-248.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from medseg.case import Case
from medseg.datasets.case_table import read_rows
from medseg.datasets.dataset import Dataset, counted, noted
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_IMAGES, _CONTOURS, _TABLE = "AllDICOMs", "AllXML", "INbreast.csv"
_NAME = re.compile(r"(\d+)_([0-9a-f]+)_MG_([LR])_([A-Z]+)_ANON\.dcm", re.IGNORECASE)
_NORMAL = "1"  # BI-RADS
_COLUMNS = {"ACR": "density", "Bi-Rads": "birads", "Acquisition date": "date", "Patient age": "age"}
_UNKNOWN = ("", "removed")
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


def read(root: Path, labels: Labels | None) -> Dataset:
    """The images; one without contours has nothing to find where the table says BI-RADS 1, else it is not labelled.

    Raises:
        DatasetError: There is no image, or a table is broken.
    """
    problems: list[DatasetError] = []
    described = _described(root / _TABLE, problems)
    cases: list[Case] = []
    for path in sorted((root / _IMAGES).glob("*.dcm")):
        with noted(problems):
            cases.append(_case(root, path, described))
    if not cases and not problems:
        raise DatasetError(root / _IMAGES, "holds no image", "Put the .dcm files of INbreast into it.")
    contours = {path.stem for path in (root / _CONTOURS).glob("*.xml")}
    unlabelled = [case.id for case in cases if not case.labelled]
    warnings = counted(unlabelled, "images have neither contours nor BI-RADS 1")
    warnings += counted(contours - {case.id for case in cases}, f"files of {_CONTOURS}/ have no image and are left out")
    declared = labels or Labels.from_config(_LABELS)
    return Dataset(root, "inbreast", tuple(cases), declared, ("image",), "MG", warnings, tuple(problems))


def _described(path: Path, problems: list[DatasetError]) -> dict[str, dict[str, str]]:
    """Rows of the table by the number of the image; none where there is no table."""
    if not path.is_file():
        return {}
    return {row["File Name"]: row for _line, row in read_rows(path, ("File Name", "Bi-Rads"), problems, delimiter=";")}


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
