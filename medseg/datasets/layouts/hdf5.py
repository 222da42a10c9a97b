"""Layout "hdf5": one file with many cases, a group a case or stacks of equal size.

A group is a case: `image` (several channels: `image_1`, `image_2` …) and perhaps `label` or `mask`. Or a group, often
the file's root, holds stacks `images` and perhaps `masks` or `labels`, whose first axis counts the cases, with their
`names` and `patients` where these are known. A group that is called train, validation or test fixes the split.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from medseg import address
from medseg.case import Case
from medseg.datasets.case_table import SPLITS
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.naming import safe_name
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_IMAGE = re.compile(r"image_?(\d*)")
_MASKS = ("label", "mask")
_STACK, _MASK_STACKS = "images", ("labels", "masks")
_LONGEST_NAME = 256


def recognises(root: Path) -> bool:
    """Whether a path is an HDF5 file, by its ending."""
    return root.suffix.lower() in formats.HDF5 and root.is_file()


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases, whose images and masks are addresses inside the file.

    A file with a single image is one case. A case table is looked for beside the file.

    Raises:
        DatasetError: There is no case. Groups whose stacks or channels differ in number are in `problems`.
        UnreadableFileError: The file is damaged.
        MissingExtraError: h5py is not installed.
    """
    from medseg.io.volumes import hdf5_file

    with hdf5_file.opened(root) as file:
        images = hdf5_file.image_datasets(root, file)
        groups: dict[str, list[str]] = {}
        for name in images:
            groups.setdefault(str(PurePosixPath(name).parent), []).append(PurePosixPath(name).name)
        problems: list[DatasetError] = []
        cases: list[Case] = []
        for group, names in groups.items():
            with noted(problems):
                cases += _cases(root, file, group, names)
    if not cases and not problems and len(images) == 1:
        only = formats.stem(root)
        cases = [Case(only, "", (address.join(root, next(iter(images))),))]
    cases = _checked(root, cases, problems)
    channels = [path.name for path in cases[0].images] if cases and len(cases[0].images) > 1 else ["image"]
    return Dataset(root, "hdf5", tuple(cases), labels, tuple(channels), problems=tuple(problems))


def _cases(root: Path, file: Any, group: str, names: list[str]) -> Iterator[Case]:
    """The cases of the datasets that one group holds."""
    here = file[group] if group != "." else file
    prefix = "" if group == "." else f"{group}/"
    split = next((part for part in PurePosixPath(group).parts if part in SPLITS), "")
    if _STACK in names:
        yield from _stacked(root, file, prefix, names, split)
    channels = sorted((int(found[1] or 0), name) for name in names if (found := _IMAGE.fullmatch(name)))
    if not channels:
        return
    masks = [name for name in _MASKS if name in names]
    if len(masks) > 1:
        raise DatasetError(address.join(root, prefix), "holds both a label and a mask", "Keep one of them.")
    name = safe_name("_".join(part for part in PurePosixPath(group).parts if part not in SPLITS) or formats.stem(root))
    patient = here.attrs.get("patient", "")
    yield Case(
        name,
        patient.decode("utf-8", "replace") if isinstance(patient, bytes) else str(patient),
        tuple(address.join(root, prefix + channel) for _, channel in channels),
        tuple(address.join(root, prefix + mask) for mask in masks),
        split,
    )


def _stacked(root: Path, file: Any, prefix: str, names: list[str], split: str) -> Iterator[Case]:
    """A case for each index of the stacks in a group."""
    here = file[prefix or "/"]
    where = address.join(root, prefix + _STACK)
    masks = [name for name in _MASK_STACKS if name in names]
    count = here[_STACK].shape[0]
    if here[_STACK].ndim not in (3, 4):
        raise DatasetError(where, f"has the shape {here[_STACK].shape}", "Stack images of one channel along axis 0.")
    if len(masks) > 1 or any(here[mask].shape[0] != count for mask in masks):
        found = ", ".join(f"{mask} {here[mask].shape}" for mask in masks)
        raise DatasetError(where, f"has the shape {here[_STACK].shape} beside {found}", "Keep one mask for each image.")
    width, below = len(str(count - 1)), prefix.replace("/", "_")
    ids = _texts(root, file, f"{prefix}names", count) or [
        f"{below}{formats.stem(root)}_{i:0{width}d}" for i in range(count)
    ]
    patients = _texts(root, file, f"{prefix}patients", count) or [""] * count
    for i, (name, patient) in enumerate(zip(ids, patients, strict=True)):
        yield Case(
            safe_name(formats.stem(Path(name))),
            patient,
            (address.join(root, f"{prefix}{_STACK}/{i}"),),
            tuple(address.join(root, f"{prefix}{mask}/{i}") for mask in masks),
            split,
        )


def _texts(root: Path, file: Any, name: str, count: int) -> list[str] | None:
    """The strings of a dataset, one a case; none where it is not there."""
    from medseg.io.volumes import hdf5_file

    if file.get(name, getlink=True) is None:
        return None
    dataset = hdf5_file.dataset_at(root, file, name)[0]
    if dataset.shape != (count,) or dataset.dtype.kind not in "SO" or dataset.dtype.itemsize > _LONGEST_NAME:
        where = address.join(root, name)
        raise DatasetError(where, f"is {dataset.dtype} of shape {dataset.shape}", "Mend it.", f"{count} short texts")
    return [str(text).strip() for text in dataset.asstr()[()]]


def _checked(root: Path, cases: list[Case], problems: list[DatasetError]) -> list[Case]:
    """The cases by id, without those whose id or number of channels does not fit the ones before."""
    if not cases and not problems:
        raise DatasetError(
            root, "holds no case", "Arrange it so, or name one dataset: file.h5:/NAME.", "a group a case, or stacks"
        )
    kept: list[Case] = []
    for case in sorted(cases, key=lambda case: case.id):
        first = kept[0] if kept else case
        with noted(problems):
            if len(case.images) != len(first.images):
                found = f"{case.id} has {len(case.images)} channels, {first.id} {len(first.images)}"
                raise DatasetError(root, found, "Complete it.")
            kept.append(case)
    return kept
