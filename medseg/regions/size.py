"""Size of a region: its voxels times the size of one."""

from collections.abc import Sequence
from typing import Any

from medseg.regions.measured import Measured
from medseg.regions.schema import IBSI, Column

__all__ = ["columns", "measure"]

MM3_PER_ML = 1000.0


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of size."""
    return (
        Column("volume_mm3", "mm³", "float64", "Voxels times the volume of one; empty in 2D.", f"{IBSI} 3.1.2"),
        Column("volume_ml", "ml", "float64", "The same in millilitres; empty in 2D."),
        Column("area_mm2", "mm²", "float64", "Pixels times the area of one; empty in 3D."),
        Column("area_px", "px²", "float64", "Pixels of a 2D region whose spacing is unknown."),
    )


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    size = found.region.voxels * found.whole.voxel_size
    if not found.whole.spacing_known:
        return {"area_px": size} if found.whole.ndim == 2 else {}
    return {"area_mm2": size} if found.whole.ndim == 2 else {"volume_mm3": size, "volume_ml": size / MM3_PER_ML}
