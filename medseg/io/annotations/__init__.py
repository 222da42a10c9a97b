"""Drawn shapes in tables and text files (COCO, VGG Image Annotator, INbreast, mini-MIAS) to label maps."""

from medseg.io.annotations.drawn import FORMATS, Format, holds, read
from medseg.io.annotations.shapes import Drawing, Shape

__all__ = ["FORMATS", "Drawing", "Format", "Shape", "holds", "read"]
