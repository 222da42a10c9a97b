"""What every column of the region table means: the one place where it is said.

The columns are the same for 2D and 3D, so that tables can be put together; a column that does not apply is empty.
Where the spacing is unknown the columns in mm are empty and those in px are filled; where it is known, the reverse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["STATISTICS", "Column", "channel_columns", "region_columns"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: As in the header; the unit is part of it.
        unit: Of its values, empty for counts, names and yes/no.
        dtype: pandas' name of its type; nullable where the column can be empty.
        meaning: One sentence.
        source: The standard or paper that defines it, where there is one.
    """

    name: str
    unit: str
    dtype: str
    meaning: str
    source: str = ""


_IBSI = "IBSI reference manual (Zwanenburg 2016, arXiv:1612.07003)"
_RECIST = "RECIST 1.1 (Eisenhauer 2009, doi:10.1016/j.ejca.2008.10.026)"
_WHO = "WHO criteria (Miller 1981, doi:10.1002/1097-0142(19810101)47:1<207::AID-CNCR2820470134>3.0.CO;2-6)"
_PLANE = "in the acquisition plane (the slices across the axis of largest spacing; the picture itself in 2D)"

_WHAT = (
    Column("case", "", "str", "Id of the case."),
    Column("label", "", "str", "Name of the label."),
    Column("region", "", "int64", "Number of the region within its case and label: 1 is the largest."),
    Column("voxels", "", "int64", "Voxels (pixels in 2D) of the region."),
)
_SIZE = (
    Column("volume_mm3", "mm³", "float64", "Voxels times the volume of one; empty in 2D.", f"{_IBSI} 3.1.2"),
    Column("volume_ml", "ml", "float64", "The same in millilitres; empty in 2D."),
    Column("area_mm2", "mm²", "float64", "Pixels times the area of one; empty in 3D."),
    Column("area_px", "px²", "float64", "Pixels of a 2D region whose spacing is unknown."),
)
_DIAMETERS = (
    Column("longest_axial_mm", "mm", "float64", f"Longest diameter {_PLANE}.", _RECIST),
    Column("perpendicular_mm", "mm", "float64", "Longest chord at right angles to it in the same slice.", _WHO),
    Column("longest_3d_mm", "mm", "float64", "Longest diameter in any direction; empty in 2D.", f"{_IBSI} 3.1.11"),
    Column("longest_axial_px", "px", "float64", "As longest_axial_mm, where the spacing is unknown."),
    Column("perpendicular_px", "px", "float64", "As perpendicular_mm, where the spacing is unknown."),
)
STATISTICS = {
    "mean": "Mean",
    "sd": "Standard deviation (population, divided by n)",
    "min": "Smallest value",
    "max": "Largest value",
    "median": "Median",
    "p10": "10th percentile (linear between values)",
    "p90": "90th percentile (linear between values)",
}


def region_columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Every column of the region table, in order, for images with these channels."""
    border = Column("touches_border", "", "bool", "Whether it reaches the edge of the image, so may go on beyond it.")
    position = (*_centroid(), *_box())
    return (*_WHAT, *_SIZE, *_DIAMETERS, *position, border, *(c for name in channels for c in channel_columns(name)))


def channel_columns(channel: str) -> tuple[Column, ...]:
    """The columns of one channel; "hu" is CT's, others carry the channel's name."""
    unit = "HU" if channel == "hu" else "as stored"
    return tuple(
        Column(f"{name}_{channel}", unit, "float64", f"{meaning} of the region's finite voxels.", f"{_IBSI} 3.3")
        for name, meaning in STATISTICS.items()
    )


def _centroid() -> list[Column]:
    world: list[Column] = [
        Column(f"centroid_{axis}_mm", "mm", "float64", f"Mean of its voxel centres along {way} (RAS+); empty in 2D.")
        for axis, way in zip("xyz", ("right", "anterior", "superior"), strict=True)
    ]
    return world + [
        Column(f"centroid_{axis}", "voxels", "float64", f"The same as voxel index on array axis {n}, counted from 0.")
        for n, axis in enumerate("ijk")
    ]


def _box() -> list[Column]:
    parts: dict[str, Any] = {"start": "First voxel index of the bounding box", "size": "Voxels of the bounding box"}
    return [
        Column(f"box_{part}_{axis}", "voxels", "Int64" if axis == "k" else "int64", f"{meaning} on array axis {n}.")
        for part, meaning in parts.items()
        for n, axis in enumerate("ijk")
    ]
