"""Label maps drawn as pictures: PNG, TIFF, BMP, PGM, JPEG."""

from pathlib import Path

from medseg.io import raster
from medseg.io.label_map import LabelMap
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["read"]


def read(path: Path, inside: str, labels: Labels | None, options: ReadOptions) -> LabelMap:
    """A picture's label map in file values. Raises what `read_label_map` raises."""
    mask, geometry = raster.read_labels(path)
    return LabelMap(mask, geometry)
