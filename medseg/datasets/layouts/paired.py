"""Layout "paired": `images/` beside `labels/` or `masks/`, one file a case, matched by name."""

from pathlib import Path

from medseg.case import Case
from medseg.datasets.case_table import CaseTable, apply_case_table
from medseg.datasets.dataset import Dataset
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_LABEL_FOLDERS = ("labels", "masks")


def recognises(root: Path) -> bool:
    """Whether a folder has `images/` and `labels/` or `masks/`."""
    return (root / "images").is_dir() and any((root / name).is_dir() for name in _LABEL_FOLDERS)


def read(root: Path, labels: Labels | None, table: CaseTable | None) -> Dataset:
    """The cases; an image without a label stays as an unlabelled case.

    Raises:
        DatasetError: There is no image, two files have one name, or the case table does not fit.
    """
    folders = [root / name for name in _LABEL_FOLDERS if (root / name).is_dir()]
    if len(folders) != 1:
        raise DatasetError(root, "has both labels/ and masks/" if folders else "has no labels/", "Keep one of them.")
    images = _by_name(root / "images", with_folders=True)
    masks = _by_name(folders[0], with_folders=False)
    if not images:
        raise DatasetError(root / "images", "holds no image", "Put one file, or one folder of a DICOM series, a case.")
    cases = [Case(name, name, (path,), (masks[name],) if name in masks else ()) for name, path in images.items()]
    warnings = _unmatched(images, masks, folders[0].name)
    if table is not None:
        cases, spare = apply_case_table(cases, root, table)
        warnings += spare
    if table is None or table.patient is None:
        warnings.append("no column says whose the images are: each file counts as a patient of its own")
    return Dataset(root, "paired", tuple(cases), labels, ("image",), warnings=tuple(warnings))


def _by_name(folder: Path, with_folders: bool) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not (formats.is_readable(path) or (with_folders and path.is_dir() and not path.name.startswith("."))):
            continue
        name = path.name if path.is_dir() else formats.stem(path)
        if name in found:
            raise DatasetError(path, f"has the name of {found[name].name}", "Keep one file for each case.")
        found[name] = path
    return found


def _unmatched(images: dict[str, Path], masks: dict[str, Path], folder: str) -> list[str]:
    warnings = []
    for names, text in (
        (sorted(set(images) - set(masks)), f"images have no file in {folder}/"),
        (sorted(set(masks) - set(images)), f"files in {folder}/ have no image and are left out"),
    ):
        if names:
            warnings.append(f"{len(names)} {text} ({', '.join(names[:5])}{' …' if len(names) > 5 else ''})")
    return warnings
