"""Layout "busi": the breast ultrasound images of `Dataset_BUSI_with_GT` in folders of their class.

`benign/`, `malignant/` and `normal/` hold `benign (1).png` with its masks `benign (1)_mask.png`,
`benign (1)_mask_1.png` ..., which are parts of one. The same names without blanks and brackets, `benign_1.png`, in
`images/` and `masks/` are known too. Nobody says whose the images are.

Al-Dhabyani et al. 2020, Dataset of breast ultrasound images, Data in Brief 28:104863.
"""

import re
from pathlib import Path

from medseg.case import Case
from medseg.datasets.dataset import Dataset, noted
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_FOLDER, _CLASSES = "Dataset_BUSI_with_GT", ("benign", "malignant", "normal")
_FOLDERS = (*_CLASSES, "images", "masks")
_IMAGE = re.compile(r"(benign|malignant|normal)(?: \((\d+)\)|_(\d+))")
_MASK = re.compile(r"(.+)_mask(?:_\d+)?")


def recognises(root: Path) -> bool:
    """Whether a folder has a folder a class with images of its name, or `images/` of such names with `masks/`."""
    found = _home(root)
    if all((found / name).is_dir() for name in _CLASSES[:2]):
        return all(next((found / name).glob(f"{name} (*).png"), None) is not None for name in _CLASSES[:2])
    if not ((root / "images").is_dir() and (root / "masks").is_dir()):
        return False
    names = [formats.stem(path) for path in (root / "images").iterdir() if not path.name.startswith(".")]
    return bool(names) and all(_IMAGE.fullmatch(name) for name in names)


def read(root: Path, labels: Labels | None) -> Dataset:
    """The images; "class" is a column and names the structure, and normal ones have nothing to find.

    With `labels` that name no class (`{"lesion": 255}`) masks are read in their file values.

    Raises:
        DatasetError: There is no image.
    """
    images, masks = _files(_home(root))
    problems: list[DatasetError] = []
    cases: list[Case] = []
    for name, path in images.items():
        with noted(problems):
            cases.append(_case(name, path, masks.pop(name, []), labels))
    problems += [DatasetError(paths[0], "is a mask without its image", "Fetch it again.") for paths in masks.values()]
    if not cases and not problems:
        raise DatasetError(root, "holds no image", "Pass the folder that holds benign/, malignant/ and normal/.")
    named = labels or Labels.of_structures(_CLASSES[:2])
    return Dataset(root, "busi", tuple(cases), named, ("image",), "US", problems=tuple(problems))


def _home(root: Path) -> Path:
    return root / _FOLDER if (root / _FOLDER).is_dir() else root


def _files(root: Path) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Images and masks by the image's name."""
    images: dict[str, Path] = {}
    masks: dict[str, list[Path]] = {}
    for path in (path for folder in _FOLDERS for path in formats.readable_in(root / folder)):
        name = formats.stem(path)
        if found := _MASK.fullmatch(name):
            masks.setdefault(found[1], []).append(path)
        elif _IMAGE.fullmatch(name):
            images[name] = path
    return images, masks


def _case(name: str, path: Path, masks: list[Path], labels: Labels | None) -> Case:
    found = _IMAGE.fullmatch(name)
    assert found is not None
    kind, number = found[1], found[2] or found[3]
    if kind != "normal" and not masks:
        raise DatasetError(path, "has no mask", "Fetch its mask, or take the image out.", f"{name}_mask.png")
    own = () if kind == "normal" else tuple(masks)  # those of normal ones are black by design
    by_class = labels is None or any(labels.value_of(name) is not None for name in _CLASSES)
    case, structures = f"{kind}_{number}", (kind,) * len(own) if by_class else ()
    return Case(case, "", (path,), own, columns={"class": kind}, structures=structures, negative=kind == "normal")
