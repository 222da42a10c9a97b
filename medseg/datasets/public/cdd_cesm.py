"""Layout "cdd_cesm": contrast-enhanced mammograms of CDD-CESM, as published or as pictures with masks.

As published: `Low energy images of CDD-CESM/` and `Subtracted images of CDD-CESM/` with `P1_L_DM_MLO.jpg` (patient,
side, DM for low energy or CM for subtracted, view) and the outlines in
`Radiology_hand_drawn_segmentations_v2.csv`. Derived sets keep those names, perhaps after `flipped_`, in `images/`
with colour-coded `masks/`, and in `jpeg_masks/images/` with binary `jpeg_masks/masks/`.

Khaled et al. 2022, Categorized contrast enhanced mammography dataset, Sci Data 9:122.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.dataset import Dataset, counted, noted
from medseg.errors import DatasetError, InputError
from medseg.io import formats
from medseg.io.annotations.via import NAMELESS, key_of, regions
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_PUBLISHED = ("Low energy images of CDD-CESM", "Subtracted images of CDD-CESM")
_OUTLINES = ("Radiology_hand_drawn_segmentations_v2.csv", "Radiology_hand_drawn_segmentations.csv")
_COLOURED, _BINARY = ("images", "masks"), ("jpeg_masks/images", "jpeg_masks/masks")
_NAME = re.compile(r"(?:flipped_)?P(\d+)_([LR])_(DM|CM)_(CC|MLO)", re.IGNORECASE)
_LOOKED_AT = 5
_BY_KIND = {"benign": "#00ff00", "malignant": "#ff0000"}
_BY_COLOUR = {"lesion": ["#00ff00", "#ff0000", "#ffffff"]}
_WHITE = (
    "masks in jpeg_masks/ are white whatever the lesion is, so all are read as one label, lesion; "
    'to learn benign and malignant, declare labels: {benign: "#00ff00", malignant: "#ff0000", ignore: "#ffffff"}'
)


def recognises(root: Path) -> bool:
    """Whether a folder has one of the published folders, or images and masks that are called as theirs."""
    if any((root / name).is_dir() for name in _PUBLISHED):
        return True
    return any(
        (root / masks).is_dir() and (root / images).is_dir() and _called_so(root / images)
        for images, masks in (_COLOURED, _BINARY)
    )


def read(root: Path, labels: Labels | None) -> Dataset:
    """The images; one without outlines or mask is not labelled, as nobody says that it was looked at.

    Raises:
        DatasetError: There is no image, or a table is broken.
    """
    published = any((root / name).is_dir() for name in _PUBLISHED)
    problems: list[DatasetError] = []
    cases: list[Case] = []
    for path, masks in _outlined(root) if published else _masked(root):
        with noted(problems):
            cases.append(_case(path, masks))
    if not cases and not problems:
        raise DatasetError(root, "holds no image", "Put P1_L_DM_MLO.jpg … into the published folders, or images/.")
    bare = [case.id for case in cases if not case.masks]
    warnings = counted(bare, "images have no outline or mask and count as unlabelled")
    if labels is None:
        binary = not published and (root / _BINARY[1]).is_dir()
        labels = (
            Labels.of_structures([NAMELESS]) if published else Labels.from_config(_BY_COLOUR if binary else _BY_KIND)
        )
        warnings += (_WHITE,) if binary else ()
    return Dataset(root, "cdd_cesm", tuple(cases), labels, ("image",), "MG", warnings, tuple(problems))


def _called_so(folder: Path) -> bool:
    try:
        names = list(islice((path for path in folder.iterdir() if not path.name.startswith(".")), _LOOKED_AT))
    except OSError:
        return False
    return bool(names) and all(_NAME.fullmatch(formats.stem(path)) for path in names)


def _outlined(root: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """Published images, each with the address of its outlines where it has some."""
    outlines = next((root / name for name in _OUTLINES if (root / name).is_file()), None)
    try:
        drawn = regions(outlines) if outlines else {}
    except InputError as error:
        raise DatasetError(root, f"has outlines that cannot be read ({error})", "Fetch them again.") from error
    for path in (path for name in _PUBLISHED for path in formats.readable_in(root / name)):
        has = outlines is not None and drawn.get(key_of(path.name))
        yield path, (address.join(outlines, path.name),) if outlines and has else ()


def _masked(root: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    for images, masks in (_COLOURED, _BINARY):
        drawn = {formats.stem(path): path for path in formats.readable_in(root / masks)}
        for path in formats.readable_in(root / images):
            own = drawn.get(formats.stem(path))
            yield path, (own,) if own else ()


def _case(path: Path, masks: tuple[Path, ...]) -> Case:
    name = "".join(formats.stem(path).split())
    found = _NAME.fullmatch(name)
    if found is None:
        raise DatasetError(path, "has no name of CDD-CESM", "Mend it.", "P1_L_DM_MLO.jpg")
    patient, side, kind, view = found.groups()
    columns = {"laterality": side.upper(), "kind": kind.upper(), "view": view.upper()}
    return Case(name, f"P{patient}", (path,), masks, columns=columns)
