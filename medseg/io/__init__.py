"""Reading and writing images and masks, one module a format; the formats' libraries are loaded when needed."""

from medseg.io.cases import read_case_image, read_case_label_map, read_case_mask, read_reader_masks
from medseg.io.label_map import LabelMap
from medseg.io.masks import mask_on_grid, read_label_map, read_mask
from medseg.io.reading import read_geometry, read_image
from medseg.io.structures import read_segmentation
from medseg.io.writing import write_image, write_mask

__all__ = [
    "LabelMap",
    "mask_on_grid",
    "read_case_image",
    "read_case_label_map",
    "read_case_mask",
    "read_geometry",
    "read_image",
    "read_label_map",
    "read_mask",
    "read_reader_masks",
    "read_segmentation",
    "write_image",
    "write_mask",
]
