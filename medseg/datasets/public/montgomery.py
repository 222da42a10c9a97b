"""Layout "montgomery": the Montgomery County chest X-rays with a mask for each lung.

`CXR_png/MCUCXR_0001_0.png`, `ManualMask/leftMask/` and `ManualMask/rightMask/` of the same names, and
`ClinicalReadings/MCUCXR_0001_0.txt`. The lungs are called as their folders are.

Jaeger et al. 2014, Two public chest X-ray datasets for computer-aided screening of pulmonary diseases, Quantitative
Imaging in Medicine and Surgery 4(6):475-477.
"""

from pathlib import Path

from medseg.case import Case
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.public.clinical_readings import clinical_columns
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_HOMES = ("", "MontgomerySet", "MontgomerySet/MontgomerySet")
_LUNGS = {"left lung": "ManualMask/leftMask", "right lung": "ManualMask/rightMask"}


def recognises(root: Path) -> bool:
    """Whether a folder has `CXR_png/`, and `ManualMask/` with its two folders."""
    return _home(root) is not None


def read(root: Path, labels: Labels | None) -> Dataset:
    """The films, each of another patient; one with a single mask is reported.

    Raises:
        DatasetError: There is no film.
    """
    home = _home(root) or root
    problems: list[DatasetError] = []
    cases: list[Case] = []
    for path in formats.readable_in(home / "CXR_png", "MCUCXR_*"):
        with noted(problems):
            cases.append(_case(home, path))
    if not cases and not problems:
        raise DatasetError(root, "holds no film", "Pass the folder that holds CXR_png/MCUCXR_0001_0.png …")
    named = labels or Labels.of_structures(_LUNGS)
    return Dataset(root, "montgomery", tuple(cases), named, ("image",), "CR", problems=tuple(problems))


def _home(root: Path) -> Path | None:
    wanted = ("CXR_png", *_LUNGS.values())
    return next((root / home for home in _HOMES if all((root / home / name).is_dir() for name in wanted)), None)


def _case(home: Path, path: Path) -> Case:
    name = formats.stem(path)
    masks = {lung: home / folder / path.name for lung, folder in _LUNGS.items()}
    there = {lung: mask for lung, mask in masks.items() if mask.is_file()}
    if len(there) == 1:
        raise DatasetError(path, f"has a mask of the {next(iter(there))} only", "Fetch the other one too.")
    columns = clinical_columns(home, name)
    return Case(name, name, (path,), tuple(there.values()), columns=columns, structures=tuple(there))
