"""Which components of a label stay: the largest, or those of some size."""

import numpy as np

from medseg.geometry import Geometry
from medseg.labels import Labels
from medseg.regions.components import Region, find_regions

__all__ = ["component_size", "components_of", "kept_components"]

_ONE = Labels.from_config({"one": 1})
_MM3_PER_ML = 1000.0


def component_size(voxels: int, geometry: Geometry) -> float:
    """Size of a component as `Postprocessing` states it: ml, or pixels of a 2D image or one of unknown spacing."""
    if geometry.ndim == 2 or not geometry.spacing_known:
        return float(voxels)
    return voxels * geometry.voxel_size / _MM3_PER_ML


def components_of(inside: np.ndarray) -> list[Region]:
    """The connected components of a boolean mask, the largest first; diagonal neighbours are connected."""
    return find_regions(inside.astype(np.uint8), _ONE)


def kept_components(
    inside: np.ndarray, geometry: Geometry, *, largest: bool = False, min_size: float = 0.0
) -> np.ndarray:
    """A boolean mask without the components that go.

    Args:
        inside: Boolean, shape (x, y[, z]).
        geometry: Its grid.
        largest: Only the largest component stays.
        min_size: What is smaller goes, the largest too; unit as in `component_size`.
    """
    if not largest and min_size <= 0:
        return inside
    kept = np.zeros(inside.shape, bool)
    regions = components_of(inside)
    for region in regions[:1] if largest else regions:
        if component_size(region.voxels, geometry) >= min_size:
            kept[region.box] |= region.mask
    return kept
