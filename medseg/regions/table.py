"""The region table: one row for each connected component of each label, with its size, place and intensities."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.errors import GridMismatchError, InputError, UnknownSpacingError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.labels import Labels
from medseg.regions.components import Region, find_regions
from medseg.regions.diameters import axial_diameters, longest_diameter
from medseg.regions.schema import STATISTICS, region_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["empty_table", "measure_regions"]

MM3_PER_ML = 1000.0


def measure_regions(
    image: Image,
    mask: np.ndarray,
    labels: Labels,
    *,
    case: str = "",
    min_voxels: int = 0,
    min_volume_ml: float = 0.0,
    channel_names: Sequence[str] | None = None,
) -> "pd.DataFrame":
    """Measure every region of a mask. `medseg.regions.schema` says what each column means.

    Args:
        image: The image; its intensities are measured channel by channel, voxels that are not finite left out.
        mask: File values on the image's grid, shape (x, y[, z]).
        labels: What the values mean; ignored voxels belong to no region.
        case: Goes into the first column.
        min_voxels: Smaller regions are left out.
        min_volume_ml: Smaller regions are left out; needs a volume of known spacing.
        channel_names: Suffixes of the intensity columns; else "hu" for a CT and "ch0", "ch1", ... for others.

    Returns:
        One row a region, label by label and the largest first; for an empty mask no row, but every column.

    Raises:
        GridMismatchError: The mask is not of the image's shape.
        LabelError: The mask holds a value that is not declared.
        UnknownSpacingError: `min_volume_ml` is given for an image that has no volume in ml.
        InputError: The channel names do not fit the image.
    """
    geometry = image.geometry
    if mask.shape != geometry.shape:
        raise GridMismatchError(
            case or "mask",
            f"a mask of shape {mask.shape} on an image of {geometry.shape}",
            "Bring the mask to the grid of its image first.",
        )
    channels = _channel_names(image, channel_names)
    smallest = max(min_voxels, _voxels_of(min_volume_ml, geometry))
    rows = [
        {"case": case} | _row(region, image, channels)
        for region in find_regions(mask, labels, min_voxels=smallest, where=case or "mask")
    ]
    return _frame(rows, channels)


def empty_table(channels: Sequence[str] = ()) -> "pd.DataFrame":
    """A region table without rows."""
    return _frame([], channels)


def _frame(rows: list[dict[str, Any]], channels: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    columns = region_columns(channels)
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return frame.astype({column.name: column.dtype for column in columns})


def _row(region: Region, image: Image, channels: Sequence[str]) -> dict[str, Any]:
    geometry = image.geometry
    row: dict[str, Any] = {"label": region.label, "region": region.id, "voxels": region.voxels}
    row |= _size(region, geometry) | _diameters(region, geometry) | _place(region, geometry)
    for name, voxels in zip(channels, image.voxels, strict=True):
        row |= {f"{key}_{name}": value for key, value in _statistics(voxels[region.box][region.mask]).items()}
    return row


def _size(region: Region, geometry: Geometry) -> dict[str, float]:
    size = region.voxels * geometry.voxel_size
    if not geometry.spacing_known:
        return {"area_px": size} if geometry.ndim == 2 else {}
    return {"area_mm2": size} if geometry.ndim == 2 else {"volume_mm3": size, "volume_ml": size / MM3_PER_ML}


def _diameters(region: Region, geometry: Geometry) -> dict[str, float]:
    crop = geometry.cropped(region.start, region.size)
    unit = "mm" if geometry.spacing_known else "px"
    axial = axial_diameters(region.mask, crop)
    row = {f"longest_axial_{unit}": axial.longest.length, f"perpendicular_{unit}": axial.perpendicular.length}
    if geometry.ndim == 3 and geometry.spacing_known:
        row["longest_3d_mm"] = longest_diameter(region.mask, crop).length
    return row


def _place(region: Region, geometry: Geometry) -> dict[str, Any]:
    centroid = np.argwhere(region.mask).mean(axis=0) + region.start
    row: dict[str, Any] = {f"centroid_{axis}": value for axis, value in zip("ijk", centroid, strict=False)}
    if geometry.ndim == 3 and geometry.spacing_known:
        row |= {f"centroid_{axis}_mm": value for axis, value in zip("xyz", geometry.to_world(centroid), strict=True)}
    for axis, start, size in zip("ijk", region.start, region.size, strict=False):
        row |= {f"box_start_{axis}": start, f"box_size_{axis}": size}
    return row | {"touches_border": _touches_border(region, geometry)}


def _touches_border(region: Region, geometry: Geometry) -> bool:
    """An axis of a single voxel (one slice) does not count: everything would touch there."""
    return any(
        start == 0 or start + size == n
        for start, size, n in zip(region.start, region.size, geometry.shape, strict=True)
        if n > 1
    )


def _statistics(values: np.ndarray) -> dict[str, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    if finite.size == 0:
        return dict.fromkeys(STATISTICS, math.nan)
    low, p10, median, p90, high = np.percentile(finite, [0, 10, 50, 90, 100])
    figures = (finite.mean(), finite.std(), low, high, median, p10, p90)
    return {name: float(figure) for name, figure in zip(STATISTICS, figures, strict=True)}


def _channel_names(image: Image, given: Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        lone_ct = image.modality == "CT" and image.channels == 1
        return ("hu",) if lone_ct else tuple(f"ch{number}" for number in range(image.channels))
    if len(given) != image.channels or len(set(given)) < len(given):
        raise InputError(
            "channel_names",
            f"{list(given)} for {image.channels} channel(s)",
            "Give each channel a name of its own.",
        )
    return tuple(given)


def _voxels_of(volume_ml: float, geometry: Geometry) -> int:
    """The fewest voxels that make up a volume."""
    if volume_ml <= 0:
        return 0
    if geometry.ndim == 2 or not geometry.spacing_known:
        raise UnknownSpacingError(
            "min_volume_ml", f"this image ({geometry.describe()}) has no volume in ml", "Use min_voxels instead."
        )
    return math.ceil(volume_ml * MM3_PER_ML / geometry.voxel_size - 1e-6)
