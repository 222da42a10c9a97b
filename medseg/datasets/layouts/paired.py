"""Layout "paired": a folder of images beside one of masks, matched by name, perhaps in train, validation and test.

`images/` (or scans, image, imgs, img) and `labels/` (or masks, label, mask, segmentations, annotations), in any case of
letters. The names of masks are told by `medseg.datasets.layouts.mask_names`.
"""

from pathlib import Path

from medseg.case import Case
from medseg.datasets.dataset import Dataset, counted
from medseg.datasets.layouts.mask_names import annotated_where_drawn, find_masks, named_files
from medseg.datasets.naming import named_by_part
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_IMAGES = ("images", "image", "imgs", "img", "scans")
_MASKS = ("labels", "label", "masks", "mask", "segmentations", "annotations")
_PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation"), "validation"
)
_Pair = tuple[str, list[Path], list[Path]]  # part, folders of images, folders of masks


def recognises(root: Path) -> bool:
    """Whether a folder, or train/, validation/ or test/ in it, has a folder of images and one of masks."""
    try:
        return any(images and masks for _, images, masks in _pairs(root))
    except OSError:
        return False


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases; an image without a mask stays as an unlabelled case.

    Of masks of single structures, one that is missing was not annotated. An id that is in several parts begins with
    the part's.

    Raises:
        DatasetError: There is no image, or there are two folders of masks. Files of one name, and slices of DICOM
            volumes that lie loose among the images, are in `problems`.
    """
    problems: list[DatasetError] = []
    warnings: list[str] = []
    cases: list[Case] = []
    for part, images, masks in _pairs(root):
        if images and (masks or not part):
            cases += _read_pair(part, _one(root, images, "images"), _one(root, masks, "masks"), problems, warnings)
    if not cases and not problems:
        raise DatasetError(root, "holds no image", "Put one file, or one folder of a DICOM series, a case.")
    cases = annotated_where_drawn(named_by_part((case.split, case) for case in cases))
    return Dataset(root, "paired", tuple(cases), labels, ("image",), "", tuple(warnings), tuple(problems))


def _pairs(root: Path) -> list[_Pair]:
    """Folders of images and of masks: those in the folder itself; else by its parts, or by the parts inside them."""
    here = _folders(root)
    images, masks = ([path for path in here if path.name.lower() in names] for names in (_IMAGES, _MASKS))
    if not images and not masks:
        parts = [path for path in here if path.name.lower() in _PARTS]
        return [(_PARTS[part.name.lower()], *pair[1:]) for part in parts for pair in _pairs(part)]
    if len(images) == len(masks) == 1:
        inner = {path.name.lower(): path for path in _folders(images[0])}
        split = {path.name.lower(): path for path in _folders(masks[0]) if path.name.lower() in _PARTS}
        if split and set(inner) <= set(_PARTS) and set(split) <= set(inner):
            return [(_PARTS[name], [inner[name]], [split[name]]) for name in split]
    return [("", images, masks)]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _one(root: Path, folders: list[Path], what: str) -> Path:
    if len(folders) == 1:
        return folders[0]
    names = ", ".join(f"{path.relative_to(root)}/" for path in folders)
    found = f"has several folders of {what} ({names})" if folders else f"has no folder of {what}"
    raise DatasetError(root, found, "Keep one of them here." if folders else "Add it: labels/ or masks/.")


def _whole(folder: Path, images: dict[str, Path], problems: list[DatasetError]) -> dict[str, Path]:
    """The images without those that are one slice of a volume: what lies loose in the folder would be a case each."""
    from medseg.io.dicom.scan import scan_dicom

    loose = [path for path in images.values() if path.is_file() and formats.may_be_dicom(path)]
    if len(loose) < 2:
        return images
    slices: set[Path] = set()
    for _where, volume in scan_dicom(loose).volumes:
        if len(volume.files) > 1:
            slices.update(volume.files)
            found = f"{len(volume.files)} files are slices of one DICOM series ({volume.described()})"
            mend = f"Put the slices of each series into a folder of their own, {folder.name}/NAME/."
            problems.append(DatasetError(folder, found, mend))
    return {name: path for name, path in images.items() if path not in slices}


def _read_pair(
    part: str, folder: Path, mask_folder: Path, problems: list[DatasetError], warnings: list[str]
) -> list[Case]:
    images = _whole(folder, named_files(folder, problems, with_folders=True), problems)
    found = find_masks(mask_folder, images, problems)
    cases = []
    for name, path in images.items():
        own = found.structures.get(name, {})
        masks = tuple(own.values()) if own else found.whole.get(name, ())
        cases.append(Case(name, "", (path,), masks, part, structures=tuple(own)))
    bare = [case.id for case in cases if not case.masks]
    warnings += counted(bare, f"images have no file in {mask_folder.name}/")
    warnings += counted(found.left, f"files in {mask_folder.name}/ have no image and are left out")
    return cases
