"""HDF5: datasets as images, `file.h5:/group/dataset`, with the grid that their attributes state.

A dataset of two axes is (rows, columns), of three (x, y, z); the attribute `axes` ("zyx", "yx", "nyx" …) says
otherwise. `file.h5:/images/3` is the fourth image of a stack. The attributes `affine` (index x, y[, z] to RAS+ mm)
and `spacing` or `spacing_mm` are looked for on the dataset, then on its group.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medseg import address
from medseg.errors import GeometryError, InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.volumes.hdf5_file import checked, dataset_at, image_datasets, opened
from medseg.io.volumes.stated import stated_geometry
from medseg.io.volumes.stored import not_finite
from medseg.io.volumes.volume_file import chosen_volume
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_FACTS = {"affine", "spacing", "spacing_mm"}
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Choice:
    """A dataset, the index of its first axis where one is meant, and its other axes in the order x, y[, z]."""

    where: Path
    dataset: Any
    index: int | None
    order: tuple[int, ...]
    notes: tuple[str, ...] = ()


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """One dataset, or one index of a stack, as one channel in its stored type (bool as uint8).

    Args:
        path: The file.
        inside: Name of the dataset, perhaps with an index of its first axis; not needed where it is the only one.
        options: `frame` is the index of a stack that has none in its name.

    Raises:
        UnreadableFileError: The file is missing or damaged, leads to other files, or declares more than it can hold.
        InputError: The dataset or index is missing, or several could be meant.
        GeometryError: What is stated of the grid does not fit, or a stack has no index.
    """
    with opened(path) as file:
        choice = _chosen(path, file, inside, options)
        geometry = _geometry(path, choice)
        values = np.asarray(choice.dataset[() if choice.index is None else choice.index])
    values = values.view(np.uint8) if values.dtype.kind == "b" else values
    voxels = values.astype(values.dtype.newbyteorder("="), copy=False).transpose(choice.order)
    return Image(voxels[np.newaxis], geometry, source=path, notes=(*choice.notes, *not_finite(voxels)))


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    with opened(path) as file:
        return _geometry(path, _chosen(path, file, inside, options))


def _chosen(path: Path, file: Any, inside: str, options: ReadOptions | None) -> _Choice:
    name = inside or _only(path, file)
    where = address.join(path, name)
    dataset, rest = dataset_at(path, file, name)
    letters, axes = _axes(where, checked(path, dataset)), len(dataset.shape)
    if len(rest) > 1 or not all(part.isdecimal() for part in rest):
        raise InputError(where, f"{dataset.name} is a dataset and holds no names", "End the address there.")
    stack = bool(rest) or (letters[0] not in "xyz" if letters else axes == 4)
    spatial = axes - stack
    if spatial not in (2, 3):
        raise GeometryError(where, f"has the shape {dataset.shape}", "Give one image.", "two or three axes")
    volumes = dataset.shape[0] if stack else 1
    index = chosen_volume(where, volumes, rest[0] if rest else "", options, where / "0")
    order = _order(where, letters[stack:] or ("yx" if spatial == 2 else "xyz"))
    bare = spatial == 3 and not letters and not _FACTS & {*dataset.attrs, *dataset.parent.attrs}
    notes = ("neither axes nor a grid is stated: three axes are taken as x, y, z of one volume",) if bare else ()
    return _Choice(where, dataset, index if stack else None, order, notes)


def _only(path: Path, file: Any) -> str:
    choices = image_datasets(path, file)
    if len(choices) == 1:
        return next(iter(choices))
    named = [f"{name} {'×'.join(map(str, one.shape))} {one.dtype}" for name, one in choices.items()]
    listed = "; ".join(named[:_SHOWN]) + (f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else "")
    example = address.join(path, next(iter(choices), "DATASET"))
    raise InputError(path, f"holds {len(choices)} datasets ({listed or 'no image'})", f"Name one: {example}.")


def _axes(where: Path, dataset: Any) -> str:
    """The letters of the attribute `axes`, "" where there is none."""
    if "axes" not in dataset.attrs:
        return ""
    words = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in _attribute(dataset)]
    letters = re.sub(r"\(.*|[\s,]", "", "".join(words)).lower()
    if len(letters) != len(dataset.shape):
        raise GeometryError(
            where,
            f"has the axes {''.join(words)!r} and the shape {dataset.shape}",
            "Mend the attribute axes.",
            'one letter an axis, such as "zyx", or "nyx" for a stack',
        )
    return letters


def _attribute(dataset: Any) -> list[Any]:
    return np.ravel(np.asarray(dataset.attrs["axes"], dtype=object)).tolist()


def _order(where: Path, letters: str) -> tuple[int, ...]:
    wanted = "xyz"[: len(letters)]
    if sorted(letters) != sorted(wanted):
        raise GeometryError(where, f"has the axes {letters!r}", "Mend the attribute axes.", f"the letters {wanted}")
    return tuple(letters.index(letter) for letter in wanted)


def _geometry(path: Path, choice: _Choice) -> Geometry:
    dataset, where = choice.dataset, choice.where
    stored = dataset.shape if choice.index is None else dataset.shape[1:]
    holder = next((one for one in (dataset, dataset.parent) if _FACTS & set(one.attrs)), dataset)
    affine = _numbers(where, holder, "affine")
    spacing = _numbers(where, holder, "spacing_mm")
    spacing = _numbers(where, holder, "spacing") if spacing is None else spacing
    turned = None if choice.order == tuple(sorted(choice.order)) else choice.order
    return stated_geometry(where, [stored[axis] for axis in choice.order], affine, spacing, turned)


def _numbers(where: Path, holder: Any, name: str) -> np.ndarray | None:
    if name not in holder.attrs:
        return None
    attribute = holder.attrs.get_id(name)
    if attribute.dtype.kind not in "iuf" or math.prod(attribute.shape) > 16:
        raise GeometryError(where, f"the attribute {name} of {holder.name} is no number", "Mend it.", "a few numbers")
    return np.asarray(holder.attrs[name], dtype=np.float64)
