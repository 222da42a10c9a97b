"""A labelled case read: its reference mask as class indices on its image's grid."""

import numpy as np

from medseg.case import Case
from medseg.errors import DatasetError
from medseg.image import Image
from medseg.io import mask_on_grid, read_mask
from medseg.labels import Labels

__all__ = ["read_indices"]


def read_indices(case: Case, labels: Labels, image: Image) -> np.ndarray:
    """Class indices (uint8, `IGNORE_INDEX` where ignored) of the shape of the image's grid.

    Raises:
        MedsegError: The case has no label, it cannot be read, lies on another grid or holds undeclared values.
    """
    if case.label is None:
        raise DatasetError(case.id, "has no label", "Remove it from the training part or label it.")
    mask, geometry = read_mask(case.label)
    where = f"{case.id} ({case.label})"
    return labels.to_indices(mask_on_grid(mask, geometry, image.geometry, where), where)
