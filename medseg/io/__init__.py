"""Reading and writing images and masks, one module a format; the formats' libraries are loaded when needed."""

from medseg.io.cases import read_case_image, read_case_mask
from medseg.io.masks import mask_on_grid, read_mask
from medseg.io.reading import read_geometry, read_image
from medseg.io.writing import write_image, write_mask

__all__ = [
    "mask_on_grid",
    "read_case_image",
    "read_case_mask",
    "read_geometry",
    "read_image",
    "read_mask",
    "write_image",
    "write_mask",
]
