"""Shape of a region: its half-level surface, its principal axes, its diameters in three planes; in 2D its contour.

Definitions are those of IBSI. PyRadiomics 3 has the same but for three: its mesh is open where the corners of a face
lie crosswise (ours is closed), its axes are shorter by √((n - 1) / n) for n voxels, and the vertices of its diameters
in a plane lie between two slices too (ours in one slice).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from medseg.geometry import Geometry
from medseg.regions.axes import principal_axes
from medseg.regions.diameters import Slices, axial_diameters, longest_in_slices
from medseg.regions.form import by_form
from medseg.regions.lines import narrowest
from medseg.regions.measured import Measured
from medseg.regions.schema import IBSI, Column
from medseg.regions.surface import surface_of

__all__ = ["columns", "measure"]

_PLANES = (("sagittal", "left-right"), ("coronal", "posterior-anterior"), ("axial", "inferior-superior"))
_WAYS = (("x", "right"), ("y", "anterior"), ("z", "superior"))
_FERET = "Feret 1930 (diameters between parallel lines)"


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of shape: of volumes, then of pictures."""
    return (*_surface_columns(), *_axis_columns(), *_plane_columns(), *_picture_columns())


def _surface_columns() -> tuple[Column, ...]:
    closed = "of its half-level surface (marching cubes)"
    return (
        Column("mesh_volume_mm3", "mm³", "float64", f"Volume inside {closed[3:]}; empty in 2D.", f"{IBSI} 3.1.1"),
        Column("surface_mm2", "mm²", "float64", f"Area {closed}; empty in 2D.", f"{IBSI} 3.1.3"),
        Column("surface_to_volume", "1/mm", "float64", "Surface over mesh volume; empty in 2D.", f"{IBSI} 3.1.4"),
        Column("compactness_1", "", "float64", "Mesh volume / (√π surface^1.5); empty in 2D.", f"{IBSI} 3.1.5"),
        Column("compactness_2", "", "float64", "Sphericity cubed: 1 for a sphere; empty in 2D.", f"{IBSI} 3.1.6"),
        Column("spherical_disproportion", "", "float64", "1 / sphericity; empty in 2D.", f"{IBSI} 3.1.7"),
        Column(
            "sphericity", "", "float64",
            "Surface of a sphere of the mesh volume over its own: 1 for a sphere; empty in 2D.", f"{IBSI} 3.1.8",
        ),
        Column("asphericity", "", "float64", "1 / sphericity - 1: 0 for a sphere; empty in 2D.", f"{IBSI} 3.1.9"),
    )  # fmt: skip


def _axis_columns() -> tuple[Column, ...]:
    axis = "axis of the ellipsoid (ellipse in 2D) of its voxel centres: 4 √λ of their covariance (n - 1)"
    one = "empty for a single voxel"
    direction = tuple(
        Column(
            f"major_axis_{name}", "", "float64",
            f"Share of the unit vector along the major axis that points {way} (RAS+); empty in 2D and where no axis "
            "is longer than all others.", f"{IBSI} 3.1.12",
        )
        for name, way in _WAYS
    )  # fmt: skip
    return (
        Column(
            "major_axis_mm", "mm", "float64", f"Longest {axis}; 0.894 of a solid ellipsoid's length.", f"{IBSI} 3.1.12"
        ),
        Column("minor_axis_mm", "mm", "float64", f"Second {axis}.", f"{IBSI} 3.1.13"),
        Column("least_axis_mm", "mm", "float64", f"Least {axis}; empty in 2D.", f"{IBSI} 3.1.14"),
        Column("major_axis_px", "px", "float64", "As major_axis_mm, in 2D where the spacing is unknown."),
        Column("minor_axis_px", "px", "float64", "As minor_axis_mm, in 2D where the spacing is unknown."),
        Column("elongation", "", "float64", f"Minor over major axis: 1 for a sphere; {one}.", f"{IBSI} 3.1.15"),
        Column(
            "flatness", "", "float64", f"Least over major axis: 1 for a sphere; {one}, and in 2D.", f"{IBSI} 3.1.16"
        ),
        *direction,
    )


def _plane_columns() -> tuple[Column, ...]:
    return tuple(
        Column(
            f"longest_in_{plane}_mm", "mm", "float64",
            f"Longest diameter within one slice across the array axis nearest to {way}; empty in 2D.",
            "As IBSI 3.1.11, within a slice",
        )
        for plane, way in _PLANES
    )  # fmt: skip


def _picture_columns() -> tuple[Column, ...]:
    half = "half-level contour (marching squares)"
    found = (
        ("perimeter", f"Length of its {half}; empty in 3D.", ""),
        ("feret_max", "Largest distance between two parallel lines that enclose it; empty in 3D.", _FERET),
        ("feret_min", "Smallest such distance; empty in 3D.", _FERET),
        ("equivalent_diameter", "Diameter of a circle of its area; empty in 3D.", ""),
    )
    known = tuple(Column(f"{name}_mm", "mm", "float64", meaning, source) for name, meaning, source in found)
    pixels = tuple(
        Column(f"{name}_px", "px", "float64", f"As {name}_mm, where the spacing is unknown.") for name, *_ in found
    )
    circularity = f"4π area / perimeter², both of its {half}: 1 for a circle; empty in 3D."
    return (*known, *pixels, Column("circularity", "", "float64", circularity, "Cox 1927"))


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    if found.whole.ndim == 2:
        return by_form(_of_picture, found.mask, found.whole)
    return by_form(_of_volume, found.mask, found.whole) if found.whole.spacing_known else {}


def _of_volume(mask: np.ndarray, geometry: Geometry) -> dict[str, Any]:
    surface = surface_of(mask, geometry)
    sphericity = (36 * math.pi * surface.enclosed**2) ** (1 / 3) / surface.extent
    axes = principal_axes(mask, geometry)
    row = {
        "mesh_volume_mm3": surface.enclosed,
        "surface_mm2": surface.extent,
        "surface_to_volume": surface.extent / surface.enclosed,
        "compactness_1": surface.enclosed / math.sqrt(math.pi * surface.extent**3),
        "compactness_2": sphericity**3,
        "spherical_disproportion": 1 / sphericity,
        "sphericity": sphericity,
        "asphericity": 1 / sphericity - 1,
        "elongation": axes.elongation,
        "flatness": axes.flatness,
    }
    row |= {f"{name}_axis_mm": length for name, length in zip(("major", "minor", "least"), axes.lengths, strict=True)}
    row |= {f"major_axis_{way}": share for (way, _), share in zip(_WAYS, axes.direction, strict=True)}
    for (plane, _), axis in zip(_PLANES, _across(geometry.affine.tobytes()), strict=True):
        row[f"longest_in_{plane}_mm"] = longest_in_slices(mask, geometry, axis)
    return row


@lru_cache(maxsize=64)
def _across(affine: bytes) -> tuple[int, ...]:
    """The array axes nearest to left-right, posterior-anterior and inferior-superior."""
    return Geometry((1, 1, 1), np.frombuffer(affine).reshape(4, 4)).to_canonical.permutation


def _of_picture(mask: np.ndarray, geometry: Geometry) -> dict[str, Any]:
    unit = "mm" if geometry.spacing_known else "px"
    contour = surface_of(mask, geometry)
    axes = principal_axes(mask, geometry)
    area = int(np.count_nonzero(mask)) * geometry.voxel_size
    lengths = {
        "perimeter": contour.extent,
        "feret_max": axial_diameters(mask, geometry).longest.length,
        "feret_min": narrowest(Slices.of(mask, None).centres(0), geometry.affine[:-1, :-1]),
        "equivalent_diameter": math.sqrt(4 * area / math.pi),
        "major_axis": axes.lengths[0],
        "minor_axis": axes.lengths[1],
    }
    return {f"{name}_{unit}": length for name, length in lengths.items()} | {
        "elongation": axes.elongation,
        "circularity": 4 * math.pi * contour.enclosed / contour.extent**2,
    }
