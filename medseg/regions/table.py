"""The region table: one row for each connected component of each label, with its size, place and intensities."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg import room
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
_BLOCK = 1 << 22  # voxels of a region that are looked at at once


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
    mask = region.mask
    row |= _size(region, geometry) | _diameters(region, mask, geometry) | _place(region, mask, geometry)
    for name, voxels in zip(channels, image.voxels, strict=True):
        inside = _values(voxels[region.box], mask, region.voxels)
        row |= {f"{key}_{name}": value for key, value in _statistics(inside).items()}
    return row


def _size(region: Region, geometry: Geometry) -> dict[str, float]:
    size = region.voxels * geometry.voxel_size
    if not geometry.spacing_known:
        return {"area_px": size} if geometry.ndim == 2 else {}
    return {"area_mm2": size} if geometry.ndim == 2 else {"volume_mm3": size, "volume_ml": size / MM3_PER_ML}


def _diameters(region: Region, mask: np.ndarray, geometry: Geometry) -> dict[str, float]:
    crop = geometry.cropped(region.start, region.size)
    unit = "mm" if geometry.spacing_known else "px"
    axial = axial_diameters(mask, crop)
    row = {f"longest_axial_{unit}": axial.longest.length, f"perpendicular_{unit}": axial.perpendicular.length}
    if geometry.ndim == 3 and geometry.spacing_known:
        row["longest_3d_mm"] = longest_diameter(mask, crop).length
    return row


def _place(region: Region, mask: np.ndarray, geometry: Geometry) -> dict[str, Any]:
    centroid = _centre(mask) / region.voxels + region.start
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


def _centre(mask: np.ndarray) -> np.ndarray:
    """Sum of the indices of all true voxels along each axis: whole numbers, exact in float64."""
    axes = range(mask.ndim)
    counts = [mask.sum(axis=tuple(i for i in axes if i != axis)) for axis in axes]
    return np.array([float(np.arange(len(count)) @ count) for count in counts])


def _values(voxels: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """The finite values where a mask is true, in their stored type; some slices at a time."""
    values, filled = room.empty((count,), voxels.dtype), 0
    step = max(1, _BLOCK // max(1, math.prod(mask.shape[1:])))
    for start in range(0, len(mask), step):
        block = voxels[start : start + step][mask[start : start + step]]
        block = block[np.isfinite(block)] if block.dtype.kind == "f" else block
        values[filled : filled + block.size] = block
        filled += block.size
    return values[:filled]


def _statistics(values: np.ndarray) -> dict[str, float]:
    """Figures of finite values, which are sorted in place; reckoned in float64, a block at a time."""
    if values.size == 0:
        return dict.fromkeys(STATISTICS, math.nan)
    blocks = [values[start : start + _BLOCK] for start in range(0, values.size, _BLOCK)]
    mean = math.fsum(float(block.sum(dtype=np.float64)) for block in blocks) / values.size
    squares = math.fsum(float(np.square(block.astype(np.float64) - mean).sum()) for block in blocks)
    values.sort()
    low, p10, median, p90, high = (_percentile(values, percent) for percent in (0, 10, 50, 90, 100))
    figures = (mean, math.sqrt(squares / values.size), low, high, median, p10, p90)
    return dict(zip(STATISTICS, figures, strict=True))


def _percentile(ordered: np.ndarray, percent: float) -> float:
    """A percentile of values in ascending order, linear between ranks as numpy's."""
    rank = (ordered.size - 1) * percent / 100
    below, above = float(ordered[math.floor(rank)]), float(ordered[math.ceil(rank)])
    return below + (above - below) * (rank - math.floor(rank))


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
