"""Layout "coco": a COCO JSON with its images, or a folder of several, one a split.

Images lie where their `file_name` says, below the JSON's folder or the data set's, perhaps in `images/` or in a
folder that is called as the split. Splits are those of `annotations/instances_train.json`, `instances_val.json` ...
and of `train/_annotations.coco.json`. Where an image has a `patient_id` or `patient`, it is used.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from medseg import address
from medseg.case import Case
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.naming import named_by_part, safe_name
from medseg.errors import DatasetError, InputError
from medseg.io import formats
from medseg.io.annotations.coco import Coco, coco
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_HEAD = 1 << 16
_LISTS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
_PLACES = ("annotations/instances_*.json", "annotations/image_info_*.json", "annotations/*.json")
_SPLIT = re.compile(r"(?:^|[_-])(train|val|valid|validation|test)(?:\d{4})?$", re.IGNORECASE)
_WORDS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_PATIENT = ("patient_id", "patient")


def recognises(root: Path) -> bool:
    """Whether this is a COCO JSON, or a folder that has one in one of the usual places."""
    return bool(_files(root))


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases of all files; an image without annotations was looked at, and nothing found.

    The labels are the categories that occur. A file without the list `annotations` gives unlabelled cases.

    Raises:
        DatasetError: There is no COCO file, or one is broken.
    """
    found: list[tuple[Path, Coco]] = []
    for path in _files(root):
        try:
            found.append((path, coco(path)))
        except InputError as error:
            raise DatasetError(path, f"cannot be read ({error})", "Export it again as COCO JSON.") from error
    if not found:
        raise DatasetError(root, "holds no COCO JSON", "Put it beside images/, or into annotations/.")
    top = root.parent if root.is_file() else root
    problems: list[DatasetError] = []
    cases: list[tuple[str, Case]] = []
    for path, file in found:
        problems += _orphans(path, file)
        for image, where in _listed(path, file):
            with noted(problems):
                case = _case(top, path, file, image, where)
                cases.append((case.split or path.parent.name, case))
    named = labels or _labels([file for _path, file in found])
    return Dataset(root, "coco", tuple(named_by_part(cases)), named, ("image",), problems=tuple(problems))


def _files(root: Path) -> list[Path]:
    if root.suffix.lower() == ".json" and root.is_file():
        return [root] if _is_coco(root) else []
    if not root.is_dir():
        return []
    for places in (("*.json",), _PLACES[:2], _PLACES[2:], ("*/_annotations.coco.json",)):
        found = [path for place in places for path in sorted(root.glob(place)) if _is_coco(path)]
        if found:
            return found
    return []


def _is_coco(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(_LISTS.search(file.read(_HEAD)))
    except OSError:
        return False


def _split_of(path: Path) -> str:
    for name in (path.stem, path.parent.name):
        found = _SPLIT.search(name)
        if found:
            return _WORDS[found[1].lower()]
    return ""


def _listed(path: Path, file: Coco) -> Iterator[tuple[Any, str]]:
    for image in file.images:
        yield image, f"{path}, image {image['id']} ({image['file_name']})"


def _case(top: Path, path: Path, file: Coco, image: Any, where: str) -> Case:
    name = image["file_name"]
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or not name:
        raise DatasetError(where, "leaves the data set's folder", "Write file_name below the images' folder.")
    if file.find(name) is None:
        raise DatasetError(where, "its file_name is listed twice", "List every image once.")
    drawn = None if file.annotations is None else file.annotations.get(image["id"], ())
    if any(not entry.get("segmentation") for entry in drawn or ()):
        raise DatasetError(where, "has objects with a box and no outline", "Outline them, or take the image out.")
    own = safe_name(formats.stem(Path(name.replace("/", "_"))))
    patient = next((str(image[key]) for key in _PATIENT if image.get(key)), "")
    masks = (address.join(path, name),) if drawn else ()
    return Case(own, patient, (_image(top, path, name, where),), masks, _split_of(path), negative=drawn == ())


def _image(top: Path, path: Path, name: str, where: str) -> Path:
    found = _SPLIT.search(path.stem)
    split = path.stem[found.start(1) :] if found else ""
    folders = (path.parent, path.parent / "images", top, top / "images", top / split, top / "images" / split)
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(
        where, "its file is missing", "Fetch it, or take the image off the list.", f"{top}/images/{name}"
    )


def _orphans(path: Path, file: Coco) -> list[DatasetError]:
    ids = Counter(image["id"] for image in file.images)
    twice = [
        DatasetError(f"{path}, image {i}", "has its id twice", "Number them anew.") for i, n in ids.items() if n > 1
    ]
    lost = [
        DatasetError(
            f"{path}, annotation {entries[0].get('id', '?')}",
            f"belongs to no image (image_id {i})",
            "Mend the image_id.",
        )
        for i, entries in (file.annotations or {}).items()
        if i not in ids
    ]
    return twice + lost


def _labels(files: list[Coco]) -> Labels | None:
    """The categories that occur, in the order in which they are listed; exporters list more."""
    used = {
        entry.get("category_id")
        for file in files
        for entries in (file.annotations or {}).values()
        for entry in entries
        if isinstance(entry.get("category_id"), (int, str))
    }
    names = dict.fromkeys(name for file in files for number, name in file.categories.items() if number in used)
    return Labels.of_structures(names) if names else None
