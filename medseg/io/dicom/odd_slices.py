"""Slices of another size among those of one stack: a volume must not lose them, nor may one become an image alone."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import GeometryError
from medseg.io.dicom.grid import COSINE, SPACING_MM, numbers
from medseg.io.dicom.headers import Slice

__all__ = ["Odd", "odd_slices"]

_SHARE = 0.01  # of the distance between slices, by which one may lie beside its place
_MEND = "Export the series again, or move what is of another size into a folder of its own."


@dataclass(frozen=True, eq=False)
class Odd:
    """Groups of slices that cannot be read as they are.

    Args:
        groups: Indices of the groups: all parts of one stack, or a single slice beside one.
        error: Why.
    """

    groups: tuple[int, ...]
    error: GeometryError


def odd_slices(groups: Sequence[Sequence[Slice]]) -> list[Odd]:
    """What is wrong with the groups of a series that differ in size though they have one direction.

    Where two stacks of different sizes are each complete, nothing is: a scanner may reconstruct a series twice.

    Args:
        groups: Slices by size, spacing and direction, without localizers.
    """
    found: list[Odd] = []
    for alike in _parallel(groups):
        whole = max(alike, key=lambda index: len(groups[index]))
        try:
            found += _of_stack(groups, whole, [index for index in alike if index != whole])
        except GeometryError:
            continue  # a slice has no place: the grid says so
    return found


def _parallel(groups: Sequence[Sequence[Slice]]) -> list[list[int]]:
    """Indices of groups of one modality, frame of reference and direction, where there are several."""
    found: list[list[int]] = []
    for index, group in enumerate(groups):
        like = next((other for other in found if _same_direction(groups[other[0]][0], group[0])), None)
        if like is None:
            found.append([index])
        else:
            like.append(index)
    return [alike for alike in found if len(alike) > 1]


def _same_direction(one: Slice, other: Slice) -> bool:
    if any(one.header.get(name) != other.header.get(name) for name in ("Modality", "FrameOfReferenceUID")):
        return False
    try:
        here, there = (np.array(numbers(each, "ImageOrientationPatient", 6)) for each in (one, other))
    except GeometryError:
        return False
    return bool(np.abs(here - there).max() <= COSINE)


def _of_stack(groups: Sequence[Sequence[Slice]], whole: int, others: Sequence[int]) -> list[Odd]:
    """Of the largest group of a direction, and the others."""
    first = groups[whole][0]
    axes = np.array(numbers(first, "ImageOrientationPatient", 6)).reshape(2, 3)
    normal = np.cross(axes[0], axes[1])
    depths = _depths(groups[whole], normal)
    if len(depths) < 2:
        return []
    step = float(np.diff(depths).min())  # where slices of another size are among them, there are gaps
    taken = set(np.rint((depths - depths[0]) / step).astype(int).tolist())
    parts = []
    for index in others:
        places = (_depths(groups[index], normal) - depths[0]) / step
        near = np.rint(places)
        if np.abs(places - near).max() * step <= max(SPACING_MM, _SHARE * step) and taken.isdisjoint(near.astype(int)):
            taken.update(near.astype(int).tolist())
            parts.append(index)
    if parts and len(taken) == max(taken) - min(taken) + 1:
        torn = (whole, *parts)
        alone = [index for index in others if index not in parts and len(groups[index]) == 1]
        return [Odd(torn, _refusal(groups, whole, parts)), *(_single(groups, whole, index) for index in alone)]
    return [_single(groups, whole, index) for index in others if len(groups[index]) == 1]


def _depths(group: Sequence[Slice], normal: np.ndarray) -> np.ndarray:
    """Places along the normal, mm, each once."""
    depths = np.sort([np.dot(numbers(one, "ImagePositionPatient", 3), normal) for one in group])
    return depths[np.concatenate([[True], np.diff(depths) >= SPACING_MM])]


def _single(groups: Sequence[Sequence[Slice]], whole: int, index: int) -> Odd:
    return Odd((index,), _refusal(groups, whole, [index]))


def _refusal(groups: Sequence[Sequence[Slice]], whole: int, parts: Sequence[int]) -> GeometryError:
    odd = [one for index in parts for one in groups[index]]
    count = len(odd) + len(groups[whole])
    files = [one.path for one in (*groups[whole], *odd)]
    where = Path(os.path.commonpath([path.parent for path in files])) if len(set(files)) > 1 else files[0]
    verb = "is" if len(odd) == 1 else "are"
    found = (
        f"{len(odd)} of {count} slices {verb} of another size: {_size(odd[0])} ({odd[0].path.name}), "
        f"and the others {_size(groups[whole][0])}"
    )
    return GeometryError(where, found, _MEND)


def _size(one: Slice) -> str:
    spacing = one.header.get("PixelSpacing")
    size = f"{one.header.get('Columns')}×{one.header.get('Rows')} pixels"
    if not isinstance(spacing, tuple):
        return size
    return f"{size} of {'×'.join(f'{n:g}' if isinstance(n, (int, float)) else '?' for n in spacing)} mm"
