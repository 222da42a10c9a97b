"""Segmenters that need no training: the baselines in every table."""

from medseg.classical.methods import METHODS, PREFIX, Method, parameters_of
from medseg.classical.segmenter import Classical, Part, classical
from medseg.classical.spec import classical_file, classical_info, open_classical

__all__ = [
    "METHODS",
    "PREFIX",
    "Classical",
    "Method",
    "Part",
    "classical",
    "classical_file",
    "classical_info",
    "open_classical",
    "parameters_of",
]
