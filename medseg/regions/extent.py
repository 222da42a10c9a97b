"""Extent of a region: its longest diameters, and where the two that RECIST and WHO ask for end."""

from collections.abc import Sequence
from typing import Any

from medseg.regions.diameters import axial_diameters, longest_diameter
from medseg.regions.measured import Measured
from medseg.regions.schema import IBSI, PLANE, RECIST, WHO, Column

__all__ = ["columns", "measure"]

_LINES = ("longest_axial", "perpendicular")
_ENDS = {"start": "The end further left", "end": "The other end"}
_WAYS = (("x", "towards the right"), ("y", "towards the front"), ("z", "upwards"))


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of extent."""
    short = "Longest chord at right angles to it in the same slice: the short axis of a lymph node."
    return (
        Column("longest_axial_mm", "mm", "float64", f"Longest diameter {PLANE}.", RECIST),
        Column("perpendicular_mm", "mm", "float64", short, WHO),
        Column("longest_3d_mm", "mm", "float64", "Longest diameter in any direction; empty in 2D.", f"{IBSI} 3.1.11"),
        Column("longest_axial_px", "px", "float64", "As longest_axial_mm, where the spacing is unknown."),
        Column("perpendicular_px", "px", "float64", "As perpendicular_mm, where the spacing is unknown."),
        *(
            Column(f"{line}_{end}_{axis}_mm", "mm", "float64", f"{_ENDS[end]} of {line}_mm, {way} (RAS+); empty in 2D.")
            for line in _LINES
            for end in _ENDS
            for axis, way in _WAYS
        ),
    )


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    unit = "mm" if found.whole.spacing_known else "px"
    axial = axial_diameters(found.mask, found.geometry)
    row = {f"longest_axial_{unit}": axial.longest.length, f"perpendicular_{unit}": axial.perpendicular.length}
    if found.whole.ndim == 2 or not found.whole.spacing_known:
        return row
    row["longest_3d_mm"] = longest_diameter(found.mask, found.geometry).length
    for name, line in zip(_LINES, (axial.longest, axial.perpendicular), strict=True):
        for end, point in zip(_ENDS, sorted((line.start, line.end)), strict=True):
            row |= {f"{name}_{end}_{axis}_mm": place for (axis, _), place in zip(_WAYS, point, strict=True)}
    return row
