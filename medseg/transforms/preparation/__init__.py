"""What mammograms, radiographs and MR need before normalisation: one MONAI transform a module, named in a config."""

from medseg.transforms.preparation.bias import N4BiasCorrection
from medseg.transforms.preparation.border import RemoveBorder
from medseg.transforms.preparation.clahe import Clahe
from medseg.transforms.preparation.crop import CropToBreast
from medseg.transforms.preparation.laterality import NormaliseLaterality
from medseg.transforms.preparation.marks import RemoveLabels
from medseg.transforms.preparation.median import MedianDenoise
from medseg.transforms.preparation.nonlocal_means import NonLocalMeans
from medseg.transforms.preparation.window import PercentileWindow, Window

__all__ = [
    "Clahe",
    "CropToBreast",
    "MedianDenoise",
    "N4BiasCorrection",
    "NonLocalMeans",
    "NormaliseLaterality",
    "PercentileWindow",
    "RemoveBorder",
    "RemoveLabels",
    "Window",
]
