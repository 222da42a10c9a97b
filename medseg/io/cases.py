"""Image and mask of a case: what the data set says of them goes into how they are read."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg.case import Case
from medseg.errors import DatasetError, GridMismatchError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.consensus import CONSENSUS, consensus_of
from medseg.io.label_map import LabelMap, exclusive_map, overlapping_map
from medseg.io.masks import read_label_map
from medseg.io.reading import read_image
from medseg.labels import IGNORE_INDEX, Labels
from medseg.options import ReadOptions

__all__ = ["read_case_image", "read_case_label_map", "read_case_mask", "read_reader_masks"]

_ROUNDING = 0.01  # tables give two digits where headers give six


def read_case_image(case: Case, options: ReadOptions | None = None) -> Image:
    """All channels of a case; the spacing that its data set states stands in where the file has none.

    Where the file has another, the file's is used and a note says so.

    Raises:
        DatasetError: The stated spacing has another number of axes than an image without one.
        MedsegError: Whatever `read_image` raises, or the refusal that the case has.
    """
    if case.refusal is not None:
        raise case.refusal
    image = read_image(case.images, options=options)
    if case.spacing_mm is None:
        return image
    grid = image.geometry
    stated = case.spacing_mm * grid.ndim if len(case.spacing_mm) == 1 else case.spacing_mm
    fits = len(stated) == grid.ndim
    if not grid.spacing_known and not fits:
        raise DatasetError(
            case.id,
            f"spacing_mm has {len(stated)} numbers for an image of {grid.ndim} axes",
            "Give one number for all axes, or one each.",
        )
    if not grid.spacing_known:
        return replace(image, geometry=Geometry.from_spacing(grid.shape, stated, "manifest"))
    if fits and np.allclose(stated, grid.spacing_mm, rtol=_ROUNDING, atol=0):
        return image
    text = "×".join(f"{step:.4g}" for step in stated)
    note = f"the data set states a spacing of {text} mm, the file another ({grid.describe()}): the file's is used"
    return replace(image, notes=(*image.notes, note))


def read_case_mask(
    case: Case, image: Image, labels: Labels | None = None, options: ReadOptions | None = None
) -> np.ndarray:
    """The reference mask in file values on the grid of the case's image: `read_case_label_map` without the notes."""
    return read_case_label_map(case, image, labels, options).mask


def read_case_label_map(
    case: Case, on: Image | Geometry, labels: Labels | None = None, options: ReadOptions | None = None
) -> LabelMap:
    """The reference mask in file values on the grid of the case's image, and what was done to read it.

    Args:
        case: Of several readers' masks, `options.consensus` says what they become.
        on: The case's image, or its grid.
        labels: What the masks can contain; needed for named structures.
        options: How to read, where there is a choice.

    Returns:
        Shape (x, y[, z]); of labels that overlap, channels of 0 and 1, shape (labels, x, y[, z]), with `IGNORE_INDEX`
        where nobody judged.

    Raises:
        DatasetError: The case has no mask, or several readers' and nothing says what to make of them.
        MedsegError: Whatever `read_label_map` raises.
    """
    options = options or ReadOptions()
    if case.readers:
        return _of_readers(case, on, labels, options)
    if case.masks:
        return _joined(case, case.masks, on, labels, options)
    if not case.negative:
        raise DatasetError(case.id, "has no label", "Remove it from the training part or label it.")
    grid = on.geometry if isinstance(on, Image) else on
    channels = () if labels is None or labels.exclusive else (len(labels.labels),)
    background = labels.written_values[0] if labels and labels.exclusive else 0
    small = np.min_scalar_type(background)
    return LabelMap(np.full((*channels, *grid.shape), background, small), grid, ("the data set says: nothing to find",))


def read_reader_masks(
    case: Case, on: Image | Geometry, labels: Labels | None = None, options: ReadOptions | None = None
) -> dict[str, LabelMap]:
    """The mask of each reader by the reader's name, all on the grid of the case's image.

    Raises:
        MedsegError: Whatever `read_label_map` raises.
    """
    options = options or ReadOptions()
    return {name: _joined(case, masks, on, labels, options) for name, masks in case.readers.items()}


def _of_readers(case: Case, on: Image | Geometry, labels: Labels | None, options: ReadOptions) -> LabelMap:
    wanted = options.consensus
    if wanted in case.readers:
        return _joined(case, case.readers[wanted], on, labels, options)
    if wanted not in CONSENSUS:
        choices = ", ".join([*CONSENSUS, *case.readers])
        found = f"has masks of {len(case.readers)} readers" + (f" and none of {wanted!r}" if wanted else "")
        raise DatasetError(case.id, found, f"Say what they become: `consensus`, one of {choices}.")
    read = list(read_reader_masks(case, on, labels, options).values())
    masks, notes = [one.mask for one in read], (f"{wanted} of {', '.join(case.readers)}",)
    if labels is None or not labels.exclusive:
        ignore, stacked = (None, False) if labels is None else (IGNORE_INDEX, True)
        return replace(read[0], mask=consensus_of(masks, wanted, ignore, stacked=stacked), notes=notes)
    # In class indices, since a label may have several file values.
    joined = consensus_of([labels.to_indices(mask, case.id) for mask in masks], wanted, IGNORE_INDEX)
    return replace(read[0], mask=labels.from_indices(joined), notes=notes)


def _joined(
    case: Case, masks: tuple[Path, ...], on: Image | Geometry, labels: Labels | None, options: ReadOptions
) -> LabelMap:
    """Files of one reference: their labels united, each structure in the value of its label."""
    if case.structures and not case.readers:
        return _of_structures(case, on, labels, options)
    overlapping = labels is not None and not labels.exclusive
    # Values of overlapping labels mean several labels each; a named structure is told apart while it is read.
    found = _on_grid(masks, case.mask_step, on, labels, options)
    if not overlapping or found.mask.ndim > found.geometry.ndim:
        return found
    assert labels is not None
    return replace(found, mask=labels.to_channels(found.mask, f"{case.id} ({', '.join(map(str, masks))})"))


def _on_grid(
    masks: tuple[Path, ...], step: int, on: Image | Geometry, labels: Labels | None, options: ReadOptions
) -> LabelMap:
    """Files of one reference on the grid of their image; of masks drawn on a smaller copy, each pixel becomes a block.

    Raises:
        GridMismatchError: They are not that much smaller.
    """
    if step == 1:
        return read_label_map(masks, on=on, labels=labels, options=options)
    found, grid = read_label_map(masks, labels=labels, options=options), on.geometry if isinstance(on, Image) else on
    blocks = found.mask
    for axis in range(-found.geometry.ndim, 0):
        blocks = np.repeat(blocks, step, axis)
    if blocks.shape[-grid.ndim :] != grid.shape or found.geometry.ndim != grid.ndim:
        raise GridMismatchError(
            masks[0],
            f"has the shape {found.geometry.shape} and the image {grid.shape}",
            "Fetch both again.",
            f"a mask {step} times smaller",
        )
    size = "×".join([str(step)] * grid.ndim)
    return LabelMap(blocks, grid, (*found.notes, f"drawn on a smaller copy: each pixel stands for {size} of the image"))


def _of_structures(case: Case, on: Image | Geometry, labels: Labels | None, options: ReadOptions) -> LabelMap:
    """A mask for each structure; of structures that no label names, nothing is read."""
    named = labels or Labels.of_structures(sorted(set(case.structures)))
    grid = on.geometry if isinstance(on, Image) else on
    stack = np.zeros((len(named.labels), *grid.shape), bool)
    places = {value: place for place, label in enumerate(named.labels) for value in label.values}
    ignored, notes = np.zeros(grid.shape, bool), []
    for path, structure in zip(case.masks, case.structures, strict=True):
        value = named.value_of(structure)
        if value is None:
            continue
        found = _on_grid((path,), case.mask_step, on, None, options)
        notes += [f"{structure}: {note}" for note in found.notes]
        drawn = stack[places[value]] if value in places else ignored
        if value in places or value == named.ignore:
            drawn |= found.mask != 0
    if not named.exclusive:
        return LabelMap(overlapping_map(stack, ignored), grid, tuple(notes))
    return LabelMap(exclusive_map(stack, ignored, named, case.id), grid, tuple(notes))
