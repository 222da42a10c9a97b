"""Made studies of known size for the tests of follow-up."""

import datetime
from collections.abc import Sequence

import numpy as np
import pandas as pd

from medseg.followup import TimePoint, from_mask, from_table
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.labels import Labels

LABELS = Labels.from_config({"lesion": 1, "node": 2})
SHAPE = (64, 60, 48)
GRID = Geometry.from_spacing(SHAPE, (1.0, 1.0, 1.0))
Ball = tuple[Sequence[float], float, int]  # centre and radius in mm, file value


def mask_of(balls: Sequence[Ball], grid: Geometry = GRID) -> np.ndarray:
    """Balls of a world, where their voxel centres lie."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    world = grid.to_world(index)
    mask = np.zeros(grid.shape, np.uint8)
    for centre, radius, value in balls:
        mask[((world - np.asarray(centre)) ** 2).sum(axis=-1) <= radius**2] = value
    return mask


def point(name: str, balls: Sequence[Ball], day: str = "", grid: Geometry = GRID) -> TimePoint:
    """A time point of balls."""
    when = datetime.date.fromisoformat(day) if day else None
    return from_mask(name, Segmentation(mask_of(balls, grid), grid, LABELS), when=when)


def listed(name: str, *lesions: tuple[str, float, float, float], day: str = "") -> TimePoint:
    """A time point of a table: label, longest diameter, short axis, and x, where the lesion lies, in mm."""
    rows = [
        {"label": label, "region": number, "longest_axial_mm": longest, "perpendicular_mm": short}
        | {"centroid_x_mm": x, "centroid_y_mm": 0.0, "centroid_z_mm": 0.0}
        for number, (label, longest, short, x) in enumerate(lesions, start=1)
    ]
    names = ["label", "region", "longest_axial_mm", "perpendicular_mm", *(f"centroid_{axis}_mm" for axis in "xyz")]
    when = datetime.date.fromisoformat(day) if day else None
    return from_table(name, pd.DataFrame(rows, columns=names), when=when)
