"""Many small CT studies with one bright body each, as an archive holds them."""

from pathlib import Path

import numpy as np

from medseg.demo.dicom import SeriesTags, write_ct_series
from medseg.geometry import Geometry

__all__ = ["SHAPE", "tags_of", "voxels_of", "write_studies"]

SHAPE = (32, 28, 4)
_GEOMETRY = Geometry(SHAPE, np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 28], [0, 0, 3.0, -40], [0, 0, 0, 1]]))


def tags_of(number: int) -> SeriesTags:
    """Who was scanned, and when: dates from 1 January 2024 on, a day a study up to the 28th, then the next month."""
    month, day = divmod(number, 28)
    return SeriesTags(f"PAT{number:04d}", "study", "thin", f"2024{month % 12 + 1:02d}{day + 1:02d}", "small studies")


def voxels_of(number: int) -> np.ndarray:
    """Air and one body, whose place and size depend on the number."""
    rng = np.random.default_rng(number)
    centre, radius = rng.uniform((10, 10, 1), (20, 18, 2)), rng.uniform(4, 7)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    inside = (((grid - centre) * (1, 1, 1.5)) ** 2).sum(-1) < radius**2
    return np.where(inside, 300 + rng.integers(-50, 50, SHAPE), -900).astype(np.int16)


def write_studies(root: Path, count: int, first: int = 0) -> Path:
    """`<patient>/IM*.dcm` below a folder; the folder."""
    for number in range(first, first + count):
        tags = tags_of(number)
        write_ct_series(root / tags.patient, voxels_of(number), _GEOMETRY, tags, np.random.default_rng(number))
    return root
