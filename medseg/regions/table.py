"""The region table: one row for each connected component of each label, with its size, place and intensities."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.errors import GridMismatchError, InputError, UnknownSpacingError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.regions.components import Connectivity, Region, find_regions
from medseg.regions.families import DEFAULT_FAMILIES, families_for, family_of, region_columns
from medseg.regions.measured import Family, Measured
from medseg.regions.merging import merge_close
from medseg.regions.own_grid import measured_elsewhere
from medseg.regions.schema import Column
from medseg.regions.size import MM3_PER_ML

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["empty_table", "measure_regions", "require_grid"]

_ROWS = 4096  # held as dictionaries, which take ten times the memory of a table


def measure_regions(
    image: Image,
    mask: np.ndarray,
    labels: Labels,
    *,
    case: str = "",
    min_voxels: int = 0,
    min_volume_ml: float = 0.0,
    channel_names: Sequence[str] | None = None,
    families: Sequence[str | Family] | None = None,
    probabilities: np.ndarray | None = None,
    organs: Segmentation | None = None,
    own_grids: Mapping[str, Image] | None = None,
    connectivity: Connectivity | None = None,
    merge_mm: float = 0.0,
) -> "pd.DataFrame":
    """Measure every region of a mask. `medseg.regions.families` says what each column means.

    Args:
        image: The image; its intensities are measured channel by channel, voxels that are not finite left out.
        mask: File values on the image's grid, shape (x, y[, z]).
        labels: What the values mean; ignored voxels belong to no region.
        case: Goes into the first column.
        min_voxels: Smaller regions are left out.
        min_volume_ml: Smaller regions are left out; needs a volume of known spacing.
        channel_names: Suffixes of the intensity columns; else "hu" for a CT and "ch0", "ch1", ... for others.
        families: Which columns, by the names in `medseg.regions.families`; "default", as where left out, stands for
            those that fit the image.
        probabilities: Of the labels, shape (labels, x, y[, z]), for the families that need them.
        organs: A label map of organs on the image's grid, for the families that need it.
        own_grids: Channels by name that lie on other grids: their voxels are measured there, in place of those that a
            channel of the image of the same name has; each has one channel.
        connectivity: Neighbours of a voxel, as in `find_regions`.
        merge_mm: Fragments of a label whose nearest voxel centres lie at most so far apart are one region; what is
            smallest is left out after that.

    Returns:
        One row a region, label by label and the largest first; for an empty mask no row, but every column.

    Raises:
        GridMismatchError: The mask, the organs or the probabilities are not on the image's grid.
        LabelError: The mask holds a value that is not declared.
        UnknownSpacingError: `min_volume_ml` is given for an image that has no volume in ml.
        InputError: The channel names do not fit the image, or there is no such family.
    """
    geometry = image.geometry
    _require_shape("mask", mask.shape, geometry.shape, case)
    if probabilities is not None:
        _require_shape("array of probabilities", probabilities.shape, (len(labels.names), *geometry.shape), case)
    if organs is not None:
        require_grid(organs.geometry, geometry, "organs")
    channels = _channel_names(image, channel_names)
    others = dict(own_grids or {})
    wanted = families_for([image, *others.values()], families, probabilities, organs)
    columns = region_columns(tuple(dict.fromkeys([*channels, *others])), wanted)
    smallest = max(min_voxels, _voxels_of(min_volume_ml, geometry))
    fragments = find_regions(
        mask, labels, min_voxels=0 if merge_mm else smallest, connectivity=connectivity, where=case or "mask"
    )
    regions = [region for region in merge_close(fragments, geometry, merge_mm) if region.voxels >= smallest]

    def row(region: Region) -> dict[str, Any]:
        of_label = None if probabilities is None else probabilities[labels.names.index(region.label)]
        found = Measured(region, region.mask, image, channels, of_label, (mask, labels), organs)
        values = {"case": case} | _row(found, wanted)
        for name, other in others.items():
            values |= measured_elsewhere(found, other, name, wanted)
        return values

    parts = [
        _frame([row(region) for region in regions[first : first + _ROWS]], columns)
        for first in range(0, max(1, len(regions)), _ROWS)
    ]
    if len(parts) == 1:
        return parts[0]
    import pandas as pd

    return pd.concat(parts, ignore_index=True)


def empty_table(channels: Sequence[str] = (), families: Sequence[str | Family] = DEFAULT_FAMILIES) -> "pd.DataFrame":
    """A region table without rows."""
    return _frame([], region_columns(channels, families))


def require_grid(found: Geometry, wanted: Geometry, where: str) -> None:
    """Refuse what lies on another grid than the image; of grids without a place in space the shape is looked at.

    Raises:
        GridMismatchError: It does.
    """
    placed = found.ndim == wanted.ndim == 3 and found.spacing_known and wanted.spacing_known
    if found.shape == wanted.shape and (not placed or found.same_as(wanted)):
        return
    apart = f", {found.displacement_mm(wanted):.4g} mm away" if found.shape == wanted.shape else ""
    raise GridMismatchError(
        where,
        f"lies on another grid ({found.describe()}) than the image ({wanted.describe()}){apart}",
        "Resample it onto the image first.",
    )


def _require_shape(what: str, found: tuple[int, ...], wanted: tuple[int, ...], case: str) -> None:
    if found != wanted:
        mend = "Bring it to the grid of its image first."
        raise GridMismatchError(case or what, f"a {what} of shape {found}", mend, f"{wanted}, as the image has it")


def _row(found: Measured, families: Sequence[str | Family]) -> dict[str, Any]:
    region = found.region
    row: dict[str, Any] = {"label": region.label, "region": region.id, "voxels": region.voxels}
    for name in families:
        row |= family_of(name).measure(found)
    return row


def _frame(rows: list[dict[str, Any]], columns: Sequence[Column]) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return frame.astype({column.name: column.dtype for column in columns})


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
