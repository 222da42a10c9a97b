"""Layout "covid_cxr": the COVID-19 chest X-rays of Cohen et al. with the lung masks of V7 Labs.

`metadata.csv` (patientid, filename, view, sex, age, ...) beside `images/`, and somewhere below the folder V7's
`annotations/all-images/1676192.json`, which names the image of `annotations/all-images-semantic-masks/1676192.png`.
Lungs are 255, and 127 is what the readers left out. A selection with `cases.csv` (name, patientid, ...) beside
`images/` and `masks/` of the same names is known too.

Cohen et al. 2020, arXiv:2006.11988; V7 Labs 2020, COVID-19 X-ray dataset.
"""

import glob
import json
from pathlib import Path

from medseg.case import Case
from medseg.datasets.case_table import header_names, read_rows
from medseg.datasets.dataset import Dataset, counted, noted
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_TABLES = {"metadata.csv": "filename", "cases.csv": "name"}  # with the column that names the film
_HOMES = ("", "covid-chestxray-dataset")
_MASKS = "annotations/all-images-semantic-masks"
_LUNGS = {"background": 0, "lung": 255, "ignore": 127}


def recognises(root: Path) -> bool:
    """Whether a folder has `images/` beside one of the tables with its columns."""
    return _table(root) is not None


def read(root: Path, labels: Labels | None) -> Dataset:
    """The films with the table's patients; CT of the same table is left out.

    Raises:
        DatasetError: A table is broken, or no film that it names is here.
    """
    path = _table(root) or root / "metadata.csv"
    name, masks = _TABLES[path.name], _masks(root, path.parent)
    problems: list[DatasetError] = []
    cases: list[Case] = []
    absent: list[str] = []
    for line, row in read_rows(path, ("patientid", name), problems):
        if row.get("modality", "X-ray") != "X-ray" or row.get("folder", "images") != "images":
            continue
        image, where = _image(path.parent / "images", row[name]), f"{path}, line {line}"
        if image is None:
            absent.append(row[name])
            continue
        with noted(problems):
            cases.append(_case(image, row, masks, where, name))
    if not cases and not problems:
        raise DatasetError(path, "names no film that is here", "Put the films into images/.")
    warnings = counted(absent, f"films of {path.name} are not in images/")
    named = labels or Labels.from_config(_LUNGS)
    return Dataset(root, "covid_cxr", tuple(cases), named, ("image",), "DX", warnings, tuple(problems))


def _table(root: Path) -> Path | None:
    """The table, in the folder that holds `images/`."""
    for home in _HOMES:
        for file, name in _TABLES.items():
            path = root / home / file
            if (path.parent / "images").is_dir() and {"patientid", name} <= header_names(path):
                return path
    return None


def _masks(root: Path, home: Path) -> dict[str, Path]:
    """Masks by the name of their film without its ending."""
    found = {formats.stem(path): path for path in formats.readable_in(home / "masks")}
    for folder in sorted({*root.glob(_MASKS), *root.glob(f"*/{_MASKS}")}):
        for path in sorted(folder.glob("*.png")):
            found.setdefault(formats.stem(Path(_film(folder.with_name("all-images") / f"{path.stem}.json"))), path)
    return found


def _film(described: Path) -> str:
    """The name of the film that V7's annotation file describes; of none, its own."""
    try:
        image = json.loads(described.read_text(encoding="utf-8"))["image"]
        return str(image.get("original_filename") or image["filename"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return described.name.removesuffix(".json")


def _image(images: Path, name: str) -> Path | None:
    if not name or Path(name).name != name:
        return None
    if (images / name).is_file():
        return images / name
    return next(iter(formats.readable_in(images, f"{glob.escape(name)}.*")), None)


def _case(image: Path, row: dict[str, str], masks: dict[str, Path], where: str, name: str) -> Case:
    if not row["patientid"]:
        raise DatasetError(where, "the patient is empty", "Say whose the image is: splits need it.")
    own = formats.stem(image)
    columns = {key: value for key, value in row.items() if key not in ("patientid", name) and value}
    return Case(own, row["patientid"], (image,), (masks[own],) if own in masks else (), columns=columns)
