"""A labelled case read: its reference mask as class indices on its image's grid."""

import numpy as np

from medseg.case import Case
from medseg.image import Image
from medseg.io import read_case_mask
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["read_indices"]


def read_indices(case: Case, labels: Labels, image: Image, options: ReadOptions | None = None) -> np.ndarray:
    """Class indices (uint8, `IGNORE_INDEX` where ignored) of the shape of the image's grid.

    Raises:
        MedsegError: The case has no label, it cannot be read, lies on another grid or holds undeclared values.
    """
    mask = read_case_mask(case, image, labels, options)
    return labels.to_indices(mask, f"{case.id} ({', '.join(str(path) for path in case.masks)})")
