"""Which columns of the region table a report shows, and what it calls them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ShownColumn", "cells", "longest_column", "region_columns", "size_column", "titled", "unit_of"]

_FIRST = (
    *("label", "region", "volume_ml", "area_mm2", "area_px", "longest_axial_mm", "perpendicular_mm", "longest_3d_mm"),
    *("longest_axial_px", "perpendicular_px", "organ", "side", "suv_max", "suv_peak", "suv_mean", "tlg"),
)
_LAST = ("mean_confidence", "voxels", "touches_border")
_MOST = 18
_UNITS = {"ml": "ml", "mm2": "mm²", "mm3": "mm³", "mm": "mm", "px": "px", "hu": "HU"}
_WORDS = {"longest axial": "longest", "longest 3d": "longest in 3D", "area": "area", "touches border": "at the edge"}
_TEXTS = ("label", "organ", "side", "touches_border")


@dataclass(frozen=True)
class ShownColumn:
    """A column.

    Args:
        name: In `regions.csv`.
        title: In the report.
        number: Whether its cells are numbers.
    """

    name: str
    title: str
    number: bool

    def to_json(self) -> dict[str, Any]:
        """As scripts read it."""
        return {"name": self.name, "title": self.title, "number": self.number}


def region_columns(rows: Iterable[Mapping[str, Any]]) -> list[ShownColumn]:
    """The columns of regions that are shown: of those that have a value, the ones that are asked for most."""
    filled = {name: None for row in rows for name in row}
    means = [name for name in filled if name.startswith("mean_") and name not in _LAST]
    wanted = [name for name in (*_FIRST, *means, *_LAST) if name in filled]
    return [ShownColumn(name, titled(name), name not in _TEXTS) for name in wanted[:_MOST]]


def titled(name: str) -> str:
    """A column's name in words, its unit in brackets."""
    stem, _mark, unit = name.rpartition("_")
    words, unit = (stem, _UNITS[unit]) if unit in _UNITS and stem else (name, "")
    said = words.replace("_", " ")
    return f"{_WORDS.get(said, said)} ({unit})" if unit else _WORDS.get(said, said)


def cells(row: Mapping[str, Any], columns: Sequence[ShownColumn]) -> list[Any]:
    """The row's values in those columns; None where there is none."""
    return [_cell(row.get(column.name)) for column in columns]


def size_column(rows: Iterable[Mapping[str, Any]]) -> str:
    """The column that says how large a region is: volumes, or areas in mm² or pixels; "voxels" where none does."""
    filled = {name for row in rows for name in row}
    return next((name for name in ("volume_ml", "area_mm2", "area_px") if name in filled), "voxels")


def longest_column(rows: Iterable[Mapping[str, Any]]) -> str:
    """The column of the longest diameters: in mm, and only where none is, in pixels; never of both."""
    filled = {name for row in rows for name in row}
    return next((name for name in ("longest_axial_mm", "longest_axial_px") if name in filled), "longest_axial_mm")


def unit_of(name: str) -> str:
    """A column's unit, as its title has it; empty where it has none."""
    return titled(name).partition("(")[2].rstrip(")")


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return float(f"{value:.6g}") if isinstance(value, float) else value
