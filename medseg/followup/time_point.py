"""One examination of a patient: its regions with their sizes and places, and the mask and image that they are of."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.errors import DatasetError, UnknownSpacingError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.regions import Measured, Region, segmentation_regions
from medseg.regions.families import family_of, region_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FAMILIES", "NEEDED", "TimePoint", "from_mask", "from_table"]

FAMILIES = ("size", "diameters", "place")
NEEDED = ("label", "region", "longest_axial_mm", "perpendicular_mm")
_MIDDLE = ("centroid_x_mm", "centroid_y_mm", "centroid_z_mm")


@dataclass(frozen=True, eq=False)
class TimePoint:
    """What is known of a patient at one time.

    Args:
        name: What tables and pictures call it.
        regions: The region table: a row a region, with size, diameters and place.
        centres: Centroid of each region in this time point's own world, mm, shape (regions, 2 or 3).
        date: Of the study.
        segmentation: The mask; `None` where only its table is known.
        found: The regions of the mask, in the order of the table; empty without a mask.
        image: What is drawn and registered.
        to_baseline: From this time point's world to the baseline's, mm, shape (ndim + 1, ndim + 1); `None` for the
            same place.
        failure: Why there is nothing at this time: what is not there cannot be judged.
        notes: What a reader should know of it.
    """

    name: str
    regions: "pd.DataFrame"
    centres: np.ndarray
    date: datetime.date | None = None
    segmentation: Segmentation | None = None
    found: tuple[Region, ...] = ()
    image: Image | None = None
    to_baseline: np.ndarray | None = None
    failure: str = ""
    notes: tuple[str, ...] = ()

    @property
    def placed(self) -> Geometry:
        """The grid of the mask where it lies in the baseline's world."""
        assert self.segmentation is not None
        return self.in_baseline(self.segmentation.geometry)

    def in_baseline(self, geometry: Geometry) -> Geometry:
        """A grid of this time point where it lies in the baseline's world."""
        if self.to_baseline is None:
            return geometry
        return Geometry(geometry.shape, self.to_baseline @ geometry.affine, geometry.spacing_source)

    @property
    def places(self) -> np.ndarray:
        """`centres` in the baseline's world."""
        return self.moved(self.centres)

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Points of this time point's world in the baseline's, shape (n, ndim)."""
        if self.to_baseline is None:
            return points
        return points @ self.to_baseline[:-1, :-1].T + self.to_baseline[:-1, -1]

    @classmethod
    def missing(cls, name: str, why: str, when: datetime.date | None = None) -> "TimePoint":
        """A time of which nothing is known."""
        return cls(name, _frame([]), np.empty((0, 3)), when, failure=why)


def from_mask(
    name: str,
    segmentation: Segmentation,
    *,
    image: Image | None = None,
    when: datetime.date | None = None,
    min_voxels: int = 0,
    notes: Sequence[str] = (),
) -> TimePoint:
    """A time point of a mask, whose regions are measured on its own grid.

    Args:
        name: What it is called.
        segmentation: The mask.
        image: Its image.
        when: Date of the study; that of the image's header where left out.
        min_voxels: Smaller regions are left out.
        notes: What a reader should know of it.

    Raises:
        UnknownSpacingError: The mask has no size in mm.
    """
    geometry = segmentation.geometry
    if not geometry.spacing_known:
        mend = "Give its spacing (a manifest, or a format that states it): follow-up compares millimetres."
        raise UnknownSpacingError(name, "the spacing of this mask is unknown", mend)
    # the grid alone is needed of an image, so that one value stands for all voxels
    grid = Image(np.broadcast_to(np.zeros((), np.uint8), (1, *geometry.shape)), geometry)
    found = tuple(one for one in segmentation_regions(segmentation) if one.voxels >= min_voxels)
    rows = [_row(one, grid) for one in found]
    middle = np.array([[row[f"centroid_{axis}"] for axis in "ijk"[: geometry.ndim]] for row in rows])
    centres = geometry.to_world(middle.reshape(-1, geometry.ndim))
    said = None if image is None else _day(image.facts.get("study_date", ""))
    told = (*segmentation.notes, *notes)
    return TimePoint(name, _frame(rows), centres, when or said, segmentation, found, image, notes=told)


def from_table(name: str, regions: "pd.DataFrame", *, when: datetime.date | None = None) -> TimePoint:
    """A time point of a region table alone.

    Raises:
        DatasetError: A column is missing, or the regions have no place or no size in mm.
    """
    wanted = (*NEEDED, *_MIDDLE)
    lacking = [column for column in wanted if column not in regions]
    if lacking:
        mend = "Give a region table as `medseg measure --out` writes it."
        raise DatasetError(name, f"no column {', '.join(lacking)}", mend)
    numbers = [column for column in wanted if column != "label"]
    try:
        table = regions.reset_index(drop=True).astype(dict.fromkeys(numbers, float)).astype({"label": str})
    except (TypeError, ValueError) as error:
        raise DatasetError(name, f"holds text among numbers ({error})", "Mend the table.") from error
    if table[numbers].isna().any(axis=None):
        empty = table[numbers].isna().any().idxmax()
        mend = "Give masks: regions without a place in space are matched by their voxels."
        raise DatasetError(name, f"has regions whose {empty} is empty", mend)
    table["region"] = table["region"].astype(int)
    return TimePoint(name, table, table[list(_MIDDLE)].to_numpy(), when)


def _row(region: Region, grid: Image) -> dict[str, Any]:
    found = Measured(region, region.mask, grid, ("none",))
    row: dict[str, Any] = {"label": region.label, "region": region.id, "voxels": region.voxels}
    for name in FAMILIES:
        row |= family_of(name).measure(found)
    return row


def _frame(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    columns = region_columns((), FAMILIES)[1:]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return frame.astype({column.name: column.dtype for column in columns})


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None
