"""Regions of a segmentation and their table, whether its labels exclude one another or overlap."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medseg.image import Image, Segmentation
from medseg.labels import Label, Labels
from medseg.regions.components import Connectivity, Region, find_regions
from medseg.regions.measured import Family
from medseg.regions.table import measure_regions, require_grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["measure_segmentation", "segmentation_regions"]


def measure_segmentation(
    image: Image,
    segmentation: Segmentation,
    labels: Labels | None = None,
    *,
    case: str = "",
    min_voxels: int = 0,
    channel_names: Sequence[str] | None = None,
    families: Sequence[str | Family] | None = None,
    organs: Segmentation | None = None,
    own_grids: Mapping[str, Image] | None = None,
    connectivity: Connectivity | None = None,
    merge_mm: float = 0.0,
) -> "pd.DataFrame":
    """`measure_regions` of a label map; of labels that overlap, of one after another.

    Args:
        image: The image on whose grid the segmentation lies.
        segmentation: What to measure.
        labels: What its values mean, where not its own labels.
        case: Goes into the first column.
        min_voxels: Smaller regions are left out.
        channel_names: As in `measure_regions`.
        families: As in `measure_regions`.
        organs: As in `measure_regions`.
        own_grids: As in `measure_regions`.
        connectivity: As in `measure_regions`.
        merge_mm: As in `measure_regions`.

    Raises:
        MedsegError: As `measure_regions`.
    """
    require_grid(segmentation.geometry, image.geometry, case or "mask")
    named = labels or segmentation.labels
    chances = segmentation.probabilities
    parts: Iterable[tuple[np.ndarray, Labels, np.ndarray | None]]
    if named.exclusive:
        parts = [(segmentation.mask, named, chances)]
    else:
        pairs = enumerate(_label_by_label(segmentation.mask, named))
        parts = ((mask, own, None if chances is None else chances[n : n + 1]) for n, (mask, own) in pairs)
    tables = [
        measure_regions(
            image,
            mask,
            own,
            case=case,
            min_voxels=min_voxels,
            channel_names=channel_names,
            families=families,
            probabilities=chance,
            organs=organs,
            own_grids=own_grids,
            connectivity=connectivity,
            merge_mm=merge_mm,
        )
        for mask, own, chance in parts
    ]
    if len(tables) == 1:
        return tables[0]
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


def segmentation_regions(segmentation: Segmentation) -> list[Region]:
    """`find_regions` of a label map; of labels that overlap, of one after another."""
    labels = segmentation.labels
    if labels.exclusive:
        return find_regions(segmentation.mask, labels)
    return [region for mask, own in _label_by_label(segmentation.mask, labels) for region in find_regions(mask, own)]


def _label_by_label(channels: np.ndarray, labels: Labels) -> Iterator[tuple[np.ndarray, Labels]]:
    """Each label as the only one, with its mask, which is made when it is asked for."""
    for label, channel in zip(labels.labels, channels, strict=True):
        yield channel != 0, _alone(label)


def _alone(label: Label) -> Labels:
    """A label as the only one, in a binary mask."""
    return Labels((replace(label, values=(1,)),))
