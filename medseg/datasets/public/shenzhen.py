"""Layout "shenzhen": the Shenzhen Hospital chest X-rays, most of them with a lung mask.

`CXR_png/CHNCXR_0001_0.png` with `ClinicalReadings/CHNCXR_0001_0.txt`, and `mask/CHNCXR_0001_0_mask.png` for those that
Stirenko et al. (2018) drew. Films without a mask are unlabelled cases.

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

_HOMES = ("", "ChinaSet_AllFiles", "ChinaSet_AllFiles/ChinaSet_AllFiles")
_MASK_FOLDERS = ("mask", "masks")


def recognises(root: Path) -> bool:
    """Whether a folder has `CXR_png/` with films `CHNCXR_...` (of which one is looked for)."""
    home = _home(root)
    return home is not None and next((home / "CXR_png").glob("CHNCXR_*"), None) is not None


def read(root: Path, labels: Labels | None) -> Dataset:
    """The films, each of another patient.

    Raises:
        DatasetError: There is no film.
    """
    home = _home(root) or root
    masks = {
        formats.stem(path).removesuffix("_mask"): path
        for above in dict.fromkeys((home, root))
        for folder in _MASK_FOLDERS
        for path in formats.readable_in(above / folder, "CHNCXR_*")
    }
    problems: list[DatasetError] = []
    cases: list[Case] = []
    for path in formats.readable_in(home / "CXR_png", "CHNCXR_*"):
        with noted(problems):
            cases.append(_case(home, path, masks.pop(formats.stem(path), None), labels))
    if not cases and not problems:
        raise DatasetError(root, "holds no film", "Pass the folder that holds CXR_png/CHNCXR_0001_0.png …")
    problems += [DatasetError(path, "is a mask without its film", "Fetch the film.") for path in masks.values()]
    named = labels or Labels.of_structures(["lung"])
    return Dataset(root, "shenzhen", tuple(cases), named, ("image",), "DX", problems=tuple(problems))


def _home(root: Path) -> Path | None:
    return next((root / home for home in _HOMES if (root / home / "CXR_png").is_dir()), None)


def _case(home: Path, path: Path, mask: Path | None, labels: Labels | None) -> Case:
    name = formats.stem(path)
    columns = clinical_columns(home, name)
    if mask is None:
        return Case(name, name, (path,), columns=columns)
    by_name = labels is None or labels.structures
    return Case(name, name, (path,), (mask,), columns=columns, structures=("lung",) if by_name else ())
