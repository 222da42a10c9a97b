"""Which masks in a folder belong to which image: by name, one file, several, or a file for each structure."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from medseg.case import Case
from medseg.datasets.dataset import noted
from medseg.errors import DatasetError
from medseg.io import formats

__all__ = ["FoundMasks", "annotated_where_drawn", "find_masks", "named_files"]

_ENDING = re.compile(
    r"[ _.-]+(?:masks?|labels?|seg|segmentation|annotation|gt|roi)(?:[ _.-]?(?P<number>\d+))?", re.IGNORECASE
)


@dataclass
class FoundMasks:
    """Masks by the name of their image.

    Args:
        whole: The files whose labels are united.
        structures: Of masks of single structures, the file by the structure's name.
        left: Names of masks that belong to no image.
    """

    whole: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    structures: dict[str, dict[str, Path]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def find_masks(folder: Path, images: Collection[str], problems: list[DatasetError]) -> FoundMasks:
    """The masks in a folder: NAME, NAME_mask, NAME_mask_1 ...; STRUCTURE/NAME; or NAME/STRUCTURE.

    Args:
        folder: The folder of masks.
        images: Names of the images.
        problems: Gets masks of which two claim one place.
    """
    found = FoundMasks()
    files = named_files(folder, problems)
    for name in sorted(files, key=lambda stem: (_number(stem), stem)):
        image = _image_of(name, images)
        if image is None:
            found.left.append(name)
        else:
            found.whole[image] = (*found.whole.get(image, ()), files[name])
    for below in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for name, path in named_files(below, problems).items():
            own = below.name in images
            image, structure = (below.name, name) if own else (_image_of(name, images), below.name)
            if image is None:
                found.left.append(f"{below.name}/{name}")
                continue
            with noted(problems):
                _add(found.structures.setdefault(image, {}), structure, path)
    for image in sorted(set(found.whole) & set(found.structures)):
        file = found.whole.pop(image)[0]
        problems.append(DatasetError(file, "lies beside masks of single structures of this image", "Keep one of them."))
    return found


def annotated_where_drawn(cases: Iterable[Case]) -> list[Case]:
    """The cases, where of named structures those whose file is missing in a case are unknown there."""
    known = list(cases)
    every = {name for case in known for name in case.structures}
    return [
        replace(case, annotated=case.structures) if case.structures and set(case.structures) < every else case
        for case in known
    ]


def named_files(folder: Path, problems: list[DatasetError], *, with_folders: bool = False) -> dict[str, Path]:
    """Readable files by their name without the ending; of two with one name the first, the other is a problem.

    Args:
        folder: Where they are.
        problems: Gets those of one name.
        with_folders: Folders count too: each is a DICOM series.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not (formats.is_readable(path) or (with_folders and path.is_dir() and not path.name.startswith("."))):
            continue
        with noted(problems):
            _add(found, path.name if path.is_dir() else formats.stem(path), path)
    return found


def _add(found: dict[str, Path], name: str, path: Path) -> None:
    if name in found:
        raise DatasetError(path, f"has the name of {found[name].name}", "Keep one file for each case.")
    found[name] = path


def _image_of(name: str, images: Collection[str]) -> str | None:
    """The longest name of an image with which a mask's begins, and goes on as masks do."""
    if name in images:
        return name
    fitting = [cut for cut in range(len(name) - 1, 0, -1) if name[:cut] in images and _ENDING.fullmatch(name[cut:])]
    return name[: fitting[0]] if fitting else None


def _number(name: str) -> int:
    last = re.search(r"(\d+)$", name)
    return int(last[1]) if last and len(last[1]) < 10 else 0
