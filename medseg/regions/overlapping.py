"""The region table of a segmentation, whether its labels exclude one another or overlap."""

from dataclasses import replace
from typing import TYPE_CHECKING

from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.regions.table import measure_regions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["measure_segmentation"]


def measure_segmentation(
    image: Image, segmentation: Segmentation, labels: Labels | None = None, *, case: str = "", min_voxels: int = 0
) -> "pd.DataFrame":
    """`measure_regions` of a label map; of labels that overlap, of one after another.

    Args:
        image: The image on whose grid the segmentation lies.
        segmentation: What to measure.
        labels: What its values mean, where not its own labels.
        case: Goes into the first column.
        min_voxels: Smaller regions are left out.

    Raises:
        MedsegError: As `measure_regions`.
    """
    named = labels or segmentation.labels
    if named.exclusive:
        return measure_regions(image, segmentation.mask, named, case=case, min_voxels=min_voxels)
    import pandas as pd

    tables = [
        measure_regions(image, channel != 0, Labels((replace(label, values=(1,)),)), case=case, min_voxels=min_voxels)
        for label, channel in zip(named.labels, segmentation.mask, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)
