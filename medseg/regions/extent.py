"""Extent of a region: its longest diameters, and where the two that RECIST and WHO ask for end."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg.geometry import Geometry
from medseg.regions.diameters import Diameter, axial_diameters, longest_diameter
from medseg.regions.form import by_form
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
    lines = by_form(_lines, found.mask, found.whole)
    row = {f"{name}_{unit}": lines[name].length for name in _LINES}
    if "longest_3d" not in lines:
        return row
    row["longest_3d_mm"] = lines["longest_3d"].length
    corner = found.whole.to_world(found.region.start)
    for name in _LINES:
        for end, point in zip(_ENDS, (lines[name].start, lines[name].end), strict=True):
            row |= {f"{name}_{end}_{axis}_mm": n for (axis, _), n in zip(_WAYS, point + corner, strict=True)}
    return row


def _lines(mask: np.ndarray, geometry: Geometry) -> dict[str, Diameter]:
    """The diameters, ends relative to the first voxel of the box, the one further left first."""
    axial = axial_diameters(mask, geometry)
    lines = dict(zip(_LINES, (axial.longest, axial.perpendicular), strict=True))
    if geometry.ndim == 3 and geometry.spacing_known:
        lines["longest_3d"] = longest_diameter(mask, geometry)
    return {name: _from_the_left(line) for name, line in lines.items()}


def _from_the_left(line: Diameter) -> Diameter:
    start, end = sorted((line.start, line.end))
    return Diameter(line.length, start, end)
