"""Label maps: read in their file values, and brought onto the grid of their image without resampling."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg import address
from medseg.errors import GridMismatchError, InputError, LabelError
from medseg.geometry import CORNER_TOLERANCE_MM, Geometry
from medseg.image import Image
from medseg.io import annotations, formats
from medseg.io.grids import SAME_VOXELS, exact_turn, mismatch, offset_voxels
from medseg.io.label_map import LabelMap
from medseg.io.reading import read_image
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["mask_on_grid", "read_label_map", "read_mask"]

_NEVER_DICOM = frozenset(formats.ENDINGS) - frozenset(formats.DICOM_ENDINGS)
_QUIET = 1e-3  # voxels that a mask may lie off its image without a word: rounding in single precision
_WHOLE = 1e-3  # how far a stored value may lie from a whole number


def read_mask(
    source: str | Path | Sequence[str | Path],
    *,
    on: Image | Geometry | None = None,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
) -> tuple[np.ndarray, Geometry]:
    """A label map in its file values, and its grid: `read_label_map` without the notes."""
    found = read_label_map(source, on=on, labels=labels, options=options)
    return found.mask, found.geometry


def read_label_map(
    source: str | Path | Sequence[str | Path],
    *,
    on: Image | Geometry | None = None,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
) -> LabelMap:
    """A label map in its file values; of several files, their union.

    Args:
        source: The file, or the files whose labels are united.
        on: The image, or its grid, on which the result lies. Of an image, the DICOM frame of reference is compared too,
            where both files know it.
        labels: What the masks can contain: needed for colour-coded pictures, and for values to be snapped to.
        options: How to read, where there is a choice.

    Returns:
        Integers of shape (x, y[, z]), their grid, and what was done. Whole numbers stored as floats are rounded.

    Raises:
        UnreadableFileError: A file is missing, broken or of an unknown kind.
        LabelError: It holds fractions, infinities or undeclared colours, or two files label one voxel differently.
        GeometryError: Its grid is doubtful.
        GridMismatchError: It does not lie on `on`, or several files do not lie on one grid.
    """
    paths = [source] if isinstance(source, (str, Path)) else list(source)
    if not paths:
        raise InputError("source", "no mask was given", "Pass the file of a mask.")
    options = options or ReadOptions()
    united = _read_one(Path(paths[0]), on, labels, options)
    for path in paths[1:]:
        other = _read_one(Path(path), on, labels, options)
        placed = mask_on_grid(other.mask, other.geometry, united.geometry, path)
        mask = _union(united.mask, placed, path, labels)
        united = replace(united, mask=mask, notes=(*united.notes, *other.notes))
    return united


def mask_on_grid(mask: np.ndarray, geometry: Geometry, target: Geometry, where: str | Path) -> np.ndarray:
    """The mask on another grid of the very same voxels, in the order in which that grid stores them.

    Args:
        mask: Shape (x, y[, z]), on `geometry`.
        geometry: The mask's grid.
        target: The image's grid.
        where: What to name in an error.

    Raises:
        GridMismatchError: The grids are not the same voxels, to a hundredth of one; nothing is ever resampled here.
    """
    turn = exact_turn(geometry, target, max(CORNER_TOLERANCE_MM, SAME_VOXELS * min(target.step)))
    if turn is None:
        raise GridMismatchError(
            where,
            f"the mask {mismatch(geometry, target)}",
            "If it was drawn on another image, remove the pair; otherwise resample it: "
            "medseg convert MASK OUT --on IMAGE --resample.",
        )
    return turn(mask)


def _read_one(path: Path, on: Image | Geometry | None, labels: Labels | None, options: ReadOptions) -> LabelMap:
    file, inside = address.split(path)
    if address.is_file(file) and formats.ending(file) not in _NEVER_DICOM:
        from medseg.io.dicom.structures import labelled  # loads pydicom

        if labelled.kind_of(file) is not None:
            return labelled.read_labelled_map(file, inside, on, options, labels)
    if annotations.holds(file):
        return annotations.read(file, inside, on, labels)
    if formats.ending(file) in formats.RASTER and address.is_file(file):
        from medseg.io.pictures import label_pictures

        found = label_pictures.read(file, inside, labels, options)
    else:
        image = read_image(path, options=options)
        found = _declared(LabelMap(image.voxels[0], image.geometry), path, labels, options)
    found = _in_whole_numbers(found, path)
    if on is None:
        return found
    grid = on.geometry if isinstance(on, Image) else on
    mask = mask_on_grid(found.mask, found.geometry, grid, path)
    return LabelMap(mask, grid, (*found.notes, *_off(found.geometry, grid)))


def _off(found: Geometry, grid: Geometry) -> tuple[str, ...]:
    """A word where a mask lies beside its image by more than rounding does."""
    off = offset_voxels(found, grid)
    if off <= max(_QUIET, CORNER_TOLERANCE_MM / min(grid.step)):
        return ()
    return (f"the mask lies {off:.2g} voxels off the image's grid and was taken as on it",)


def _union(one: np.ndarray, other: np.ndarray, where: str | Path, labels: Labels | None) -> np.ndarray:
    """Both label maps in one; background gives way to a label."""
    background = labels.background if labels else (0,)
    empty_one, empty_other = np.isin(one, background), np.isin(other, background)
    conflicts = int(np.count_nonzero((one != other) & ~empty_one & ~empty_other))
    if conflicts:
        raise LabelError(
            where,
            f"labels {conflicts} voxels that another mask of the case labels differently",
            "Say which is right by taking those voxels out of the other.",
        )
    return np.where(empty_one, other, one)


def _declared(found: LabelMap, path: Path, labels: Labels | None, options: ReadOptions) -> LabelMap:
    """The nearest declared values, where the user asks for them."""
    if labels is None or not options.nearest_label:
        return found
    from medseg.io.pictures.nearest_labels import nearest_value

    mask, notes = nearest_value(found.mask, labels, path)
    return replace(found, mask=mask, notes=(*found.notes, *notes))


def _in_whole_numbers(found: LabelMap, path: Path) -> LabelMap:
    """Whole numbers stored as floats (0.9999 is 1) in the smallest type that holds them."""
    mask = found.mask
    if mask.dtype.kind in "iu":
        return found
    small_enough = bool((np.abs(mask) <= np.iinfo(np.int32).max).all())  # false of NaN, too
    whole = np.rint(mask) if small_enough else mask
    off = float(np.abs(mask - whole).max(initial=0)) if small_enough else np.inf
    if off > _WHOLE:
        raise LabelError(
            path,
            "holds values that are not whole numbers",
            "Give a label map, not an image or probabilities (threshold those first); a resized one is read with "
            "`nearest_label: true`.",
        )
    small = np.min_scalar_type(int(whole.max(initial=0))) if whole.min(initial=0) >= 0 else np.dtype(np.int32)
    notes = (f"values up to {off:.2g} away from a whole number were rounded",) if off else ()
    return LabelMap(whole.astype(small), found.geometry, (*found.notes, *notes))
