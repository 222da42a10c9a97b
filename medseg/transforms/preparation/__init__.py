"""What mammograms, radiographs and MR need before normalisation: one MONAI transform a module, named in a config.

The transforms are imported when they are first asked for, since MONAI takes seconds to import.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Clahe": "clahe",
    "CropToBreast": "crop",
    "MedianDenoise": "median",
    "N4BiasCorrection": "bias",
    "NonLocalMeans": "nonlocal_means",
    "NormaliseLaterality": "laterality",
    "PercentileWindow": "window",
    "RemoveBorder": "border",
    "RemoveLabels": "marks",
    "Window": "window",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
