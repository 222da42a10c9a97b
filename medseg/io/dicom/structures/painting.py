"""From drawn structures to a mask: which ones are meant, and one label map, or a stack where they overlap."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import LabelError
from medseg.geometry import Geometry, Reorientation
from medseg.labels import Coding, Label, Labels

__all__ = [
    "Drawing",
    "Piece",
    "Structure",
    "chosen",
    "fractions",
    "label_map",
    "label_of",
    "overlap_error",
    "stack",
    "unique_names",
]


@dataclass(frozen=True)
class Structure:
    """A segment or ROI: its number (from 1), name, colour and code where the file says them, and notes on it alone."""

    number: int
    name: str
    colour: tuple[int, int, int] | None = None
    code: Coding | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A flat part of one structure.

    Args:
        number: Of the structure.
        where: Index of basic slices and whole numbers into the turned grid; it leaves two axes.
        drawn: Which voxels there belong to it, two axes.
        fraction: How much of each voxel there belongs to it, 0 to 1, where the file says so.
    """

    number: int
    where: tuple[slice | int, ...]
    drawn: np.ndarray
    fraction: np.ndarray | None = None


@dataclass(frozen=True)
class Drawing:
    """What a file draws on a grid.

    Args:
        structures: In the order of their numbers.
        geometry: The grid of the mask.
        turn: From that grid to the one that pieces speak of.
        pieces: Gives the pieces of the structures with these numbers, anew at each call.
        fractional: Whether pieces carry fractions.
        notes: What a reader of any of them should know.
    """

    structures: tuple[Structure, ...]
    geometry: Geometry
    turn: Reorientation
    pieces: Callable[[frozenset[int]], Iterator[Piece]]
    fractional: bool = False
    notes: tuple[str, ...] = ()


def unique_names(names: list[str]) -> list[str]:
    """Names told apart: empty ones become "structure 3", repeated ones "liver (2)"."""
    given: list[str] = []
    for position, name in enumerate(names, start=1):
        base = name.strip() or f"structure {position}"
        free, count = base, 1
        while free in given:
            count += 1
            free = f"{base} ({count})"
        given.append(free)
    return given


def chosen(structures: tuple[Structure, ...], inside: str, path: Path) -> tuple[Structure, ...]:
    """All structures, or the one that is asked for by name (in any case, where that is enough) or by number.

    Raises:
        LabelError: There is no such structure, or there are several; the names are listed.
    """
    if not inside:
        return structures
    exact = [one for one in structures if one.name == inside]
    alike = [one for one in structures if one.name.casefold() == inside.casefold()]
    numbered = [one for one in structures if str(one.number) == inside]
    for found in (exact, alike, numbered):
        if len(found) == 1:
            return tuple(found)
    listed = ", ".join(f"{one.number} {one.name!r}" for one in structures)
    how_many = "several structures" if len(alike) > 1 else "no structure"
    raise LabelError(path, f"has {how_many} {inside!r}", f"Pass {path.name}:/NAME or its number.", f"one of {listed}")


def label_of(structure: Structure, position: int, value: int) -> Label:
    """The label of a structure; the colour of its position (from 0) where it has none."""
    colour = structure.colour
    if colour is None:
        palette = Labels.from_config({f"{i}": i + 1 for i in range(position + 1)})
        colour = palette.labels[position].colour
    return Label(structure.name, (value,), colour, structure.code)


def label_map(drawing: Drawing, numbers: frozenset[int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Structure numbers on the drawing's grid, and which voxels several of them share (`None` for no voxel)."""
    values = _blank(drawing.geometry.shape, np.min_scalar_type(max(numbers, default=1)))
    canvas, shared = drawing.turn.apply(values), None
    for piece in drawing.pieces(numbers):
        here = canvas[piece.where]
        clash = piece.drawn & (here != 0) & (here != piece.number)
        if clash.any():
            shared = _blank(values.shape, np.dtype(bool)) if shared is None else shared
            drawing.turn.apply(shared)[piece.where] |= clash
        here[piece.drawn] = piece.number
    return values, shared


def stack(drawing: Drawing, numbers: tuple[int, ...]) -> np.ndarray:
    """One binary channel a structure, shape (structures, *grid), uint8."""
    channels = _blank(drawing.geometry.shape, np.dtype(np.uint8), len(numbers))
    canvas = drawing.turn.apply(channels)
    for piece in drawing.pieces(frozenset(numbers)):
        canvas[numbers.index(piece.number)][piece.where][piece.drawn] = 1
    return channels


def fractions(drawing: Drawing, numbers: tuple[int, ...]) -> np.ndarray:
    """How much of each voxel belongs to each structure, shape (structures, *grid), float32."""
    channels = _blank(drawing.geometry.shape, np.dtype(np.float32), len(numbers))
    canvas = drawing.turn.apply(channels)
    for piece in drawing.pieces(frozenset(numbers)):
        if piece.fraction is not None:
            canvas[numbers.index(piece.number)][piece.where] = piece.fraction
    return channels


def overlap_error(drawing: Drawing, structures: tuple[Structure, ...], shared: np.ndarray, path: Path) -> LabelError:
    """That structures overlap, with the number of voxels that each shares with others."""
    crowded, counts = drawing.turn.apply(shared), dict.fromkeys((one.number for one in structures), 0)
    for piece in drawing.pieces(frozenset(counts)):
        counts[piece.number] += int((piece.drawn & crowded[piece.where]).sum())
    listed = ", ".join(f"{one.name!r} {counts[one.number]}" for one in structures if counts[one.number])
    return LabelError(
        path,
        f"has structures that overlap (voxels shared with others: {listed})",
        "Unite them in one label, or declare `overlapping: true` under `labels`; or pick one as "
        f"{path.name}:/NAME, or read them all with medseg.io.read_segmentation.",
        "at most one structure a voxel",
    )


def _blank(shape: tuple[int, ...], dtype: np.dtype, *channels: int) -> np.ndarray:
    """Zeros in which a slice (x, y) is one stretch of memory, as frames are: many times faster to paint."""
    zeros = np.zeros((*channels, *shape[::-1]), dtype)
    first = len(channels)
    return zeros.transpose(*range(first), *reversed(range(first, zeros.ndim)))
