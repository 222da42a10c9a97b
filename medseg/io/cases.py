"""Image and mask of a case: what the data set says of them goes into how they are read."""

from dataclasses import replace

import numpy as np

from medseg.case import Case
from medseg.errors import DatasetError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.label_map import LabelMap
from medseg.io.masks import read_label_map
from medseg.io.reading import read_image
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["read_case_image", "read_case_label_map", "read_case_mask"]

_ROUNDING = 0.01  # tables give two digits where headers give six


def read_case_image(case: Case, options: ReadOptions | None = None) -> Image:
    """All channels of a case; the spacing that its data set states stands in where the file has none.

    Where the file has another, the file's is used and a note says so.

    Raises:
        DatasetError: The stated spacing has another number of axes than an image without one.
        MedsegError: Whatever `read_image` raises.
    """
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
    case: Case, image: Image, labels: Labels | None = None, options: ReadOptions | None = None
) -> LabelMap:
    """The reference mask in file values on the grid of the case's image, and what was done to read it.

    Raises:
        DatasetError: The case has no mask.
        MedsegError: Whatever `read_label_map` raises.
    """
    if not case.masks:
        raise DatasetError(case.id, "has no label", "Remove it from the training part or label it.")
    return read_label_map(case.masks, on=image, labels=labels, options=options)
