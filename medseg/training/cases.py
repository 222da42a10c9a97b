"""A labelled case read: its reference mask as class indices on its image's grid."""

from collections.abc import Sequence

import numpy as np

from medseg.case import Case
from medseg.errors import DatasetError, LabelError
from medseg.image import Image
from medseg.io import read_case_mask
from medseg.labels import IGNORE_INDEX, Labels
from medseg.options import ReadOptions

__all__ = ["read_indices", "read_targets", "require_whole"]


def require_whole(cases: Sequence[Case], labels: Labels) -> None:
    """Refuse cases of which none was looked through for all labels: background could not be learnt from any.

    Raises:
        DatasetError: It names the labels, each with the number of cases in which somebody looked for it.
    """
    judged = [labels.judged(case.annotated) for case in cases]
    if any(len(names) == len(labels.names) for names in judged):
        return
    counts = ", ".join(f"{name} in {sum(name in names for names in judged)}" for name in labels.names)
    raise DatasetError(
        "labels",
        f"nobody looked for all of them in any of the {len(cases)} training cases ({counts})",
        "Train the labels apart, or annotate a few cases wholly.",
    )


def read_indices(case: Case, labels: Labels, image: Image, options: ReadOptions | None = None) -> np.ndarray:
    """Class indices (uint8, `IGNORE_INDEX` where ignored) of the shape of the image's grid.

    Raises:
        LabelError: The labels overlap: a network of ours gives each voxel one.
        MedsegError: The case has no label, it cannot be read, lies on another grid or holds undeclared values.
    """
    if not labels.exclusive:
        mend = "Leave `overlapping` away, or unite the labels that overlap in one."
        raise LabelError("labels", "overlapping: a network gives each voxel one label", mend)
    mask = read_case_mask(case, image, labels, options)
    files = (*case.masks, *(mask for own in case.readers.values() for mask in own))
    return labels.to_indices(mask, f"{case.id} ({', '.join(map(str, files))})")


def read_targets(case: Case, labels: Labels, image: Image, options: ReadOptions | None = None) -> np.ndarray:
    """`read_indices` as training may use them: nothing is learnt from where nobody looked.

    In a partly labelled case a voxel without label may show a structure that was not looked for, so that all its
    background is unknown (`IGNORE_INDEX`). That is the cautious rule: the background is learnt from the other cases.

    Raises:
        MedsegError: As `read_indices`.
    """
    indices = read_indices(case, labels, image, options)
    if len(labels.judged(case.annotated)) == len(labels.names):
        return indices
    return np.where(indices == 0, np.uint8(IGNORE_INDEX), indices)
