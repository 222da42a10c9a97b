"""Drawn shapes in tables and text files (COCO, VGG Image Annotator, INbreast, mini-MIAS) to label maps."""

from medseg.io.annotations.drawn import FORMATS, Format, Shape, holds, read

__all__ = ["FORMATS", "Format", "Shape", "holds", "read"]
