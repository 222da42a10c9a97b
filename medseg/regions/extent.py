"""Extent of a region: its longest diameters."""

from collections.abc import Sequence
from typing import Any

from medseg.regions.diameters import axial_diameters, longest_diameter
from medseg.regions.measured import Measured
from medseg.regions.schema import IBSI, PLANE, RECIST, WHO, Column

__all__ = ["columns", "measure"]


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of extent."""
    return (
        Column("longest_axial_mm", "mm", "float64", f"Longest diameter {PLANE}.", RECIST),
        Column("perpendicular_mm", "mm", "float64", "Longest chord at right angles to it in the same slice.", WHO),
        Column("longest_3d_mm", "mm", "float64", "Longest diameter in any direction; empty in 2D.", f"{IBSI} 3.1.11"),
        Column("longest_axial_px", "px", "float64", "As longest_axial_mm, where the spacing is unknown."),
        Column("perpendicular_px", "px", "float64", "As perpendicular_mm, where the spacing is unknown."),
    )


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    unit = "mm" if found.whole.spacing_known else "px"
    axial = axial_diameters(found.mask, found.geometry)
    row = {f"longest_axial_{unit}": axial.longest.length, f"perpendicular_{unit}": axial.perpendicular.length}
    if found.whole.ndim == 3 and found.whole.spacing_known:
        row["longest_3d_mm"] = longest_diameter(found.mask, found.geometry).length
    return row
