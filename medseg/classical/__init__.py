"""Segmenters that need no training."""

from medseg.classical.otsu import Otsu

__all__ = ["Otsu"]
