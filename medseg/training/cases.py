"""A labelled case read: its reference mask as class indices or channels on its image's grid."""

from collections.abc import Sequence

import numpy as np

from medseg.case import Case
from medseg.errors import DatasetError
from medseg.image import Image
from medseg.io import read_case_mask
from medseg.labels import IGNORE_INDEX, Labels
from medseg.options import ReadOptions

__all__ = ["read_indices", "read_targets", "require_judged"]


def require_judged(cases: Sequence[Case], labels: Labels) -> None:
    """Refuse cases in none of which somebody looked for a certain label: it could not be learnt.

    Raises:
        DatasetError: It names the labels, each with the number of cases in which somebody looked for it.
    """
    judged = [labels.judged(case.annotated) for case in cases]
    looked_for = {name: sum(name in names for names in judged) for name in labels.names}
    if all(looked_for.values()):
        return
    counts = ", ".join(f"{name} in {count}" for name, count in looked_for.items())
    raise DatasetError(
        "labels",
        f"nobody looked for all of them in the {len(cases)} training cases ({counts})",
        "Leave those labels out, or annotate a few cases for them.",
    )


def read_indices(case: Case, labels: Labels, image: Image, options: ReadOptions | None = None) -> np.ndarray:
    """What the reference says of each voxel, on the image's grid.

    Returns:
        uint8: class indices, shape of the grid; of labels that may overlap 0 and 1 for each, shape (labels, *grid).
        `IGNORE_INDEX` where nobody judged.

    Raises:
        MedsegError: The case has no label, it cannot be read, lies on another grid or holds undeclared values.
    """
    mask = read_case_mask(case, image, labels, options)
    if not labels.exclusive:
        return mask
    files = (*case.masks, *(mask for own in case.readers.values() for mask in own))
    return labels.to_indices(mask, f"{case.id} ({', '.join(map(str, files))})")


def read_targets(case: Case, labels: Labels, image: Image, options: ReadOptions | None = None) -> np.ndarray:
    """`read_indices` as training may use them: of a partly labelled case only what somebody looked for.

    What shows a label that nobody looked for becomes background, or where labels overlap `IGNORE_INDEX`. The background
    of such a case is thereby "none of those that were looked for", and the losses take it so
    (`medseg.training.losses.comparison`).

    Raises:
        MedsegError: As `read_indices`.
    """
    indices = read_indices(case, labels, image, options)
    judged = labels.judged(case.annotated)
    for place, name in enumerate(labels.names):
        if name in judged:
            continue
        if labels.exclusive:
            indices[indices == place + 1] = 0
        else:
            indices[place] = IGNORE_INDEX
    return indices
