"""Texture of a region by PyRadiomics: the matrices of IBSI (GLCM, GLRLM, GLSZM, GLDM, NGTDM). Extra `radiomics`."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg.errors import MissingExtraError
from medseg.image import Image
from medseg.regions.measured import Measured
from medseg.regions.schema import Column

__all__ = ["FEATURES", "INSTALL", "columns", "measure", "texture_features"]

INSTALL = (
    "PyRadiomics 3.0.1 cannot be built before NumPy is there, so install it in two steps: "
    "pip install 'medseg[radiomics]', then pip install --no-build-isolation --no-deps pyradiomics==3.0.1 "
    "(needs a C compiler)"
)
_SOURCE = "PyRadiomics 3.0.1 (van Griethuysen 2017, doi:10.1158/0008-5472.CAN-17-0339)"
_BINS = {"HU": 25.0, "SUV": 0.25}  # width of a grey level by unit
_COUNT = 32  # grey levels of a region whose values have no unit
FEATURES: dict[str, tuple[str, ...]] = {
    "glcm": (
        "Autocorrelation", "ClusterProminence", "ClusterShade", "ClusterTendency", "Contrast", "Correlation",
        "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance", "Id", "Idm", "Idmn", "Idn", "Imc1", "Imc2",
        "InverseVariance", "JointAverage", "JointEnergy", "JointEntropy", "MCC", "MaximumProbability", "SumAverage",
        "SumEntropy", "SumSquares",
    ),
    "glrlm": (
        "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance", "HighGrayLevelRunEmphasis",
        "LongRunEmphasis", "LongRunHighGrayLevelEmphasis", "LongRunLowGrayLevelEmphasis", "LowGrayLevelRunEmphasis",
        "RunEntropy", "RunLengthNonUniformity", "RunLengthNonUniformityNormalized", "RunPercentage", "RunVariance",
        "ShortRunEmphasis", "ShortRunHighGrayLevelEmphasis", "ShortRunLowGrayLevelEmphasis",
    ),
    "glszm": (
        "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "GrayLevelVariance", "HighGrayLevelZoneEmphasis",
        "LargeAreaEmphasis", "LargeAreaHighGrayLevelEmphasis", "LargeAreaLowGrayLevelEmphasis",
        "LowGrayLevelZoneEmphasis", "SizeZoneNonUniformity", "SizeZoneNonUniformityNormalized", "SmallAreaEmphasis",
        "SmallAreaHighGrayLevelEmphasis", "SmallAreaLowGrayLevelEmphasis", "ZoneEntropy", "ZonePercentage",
        "ZoneVariance",
    ),
    "gldm": (
        "DependenceEntropy", "DependenceNonUniformity", "DependenceNonUniformityNormalized", "DependenceVariance",
        "GrayLevelNonUniformity", "GrayLevelVariance", "HighGrayLevelEmphasis", "LargeDependenceEmphasis",
        "LargeDependenceHighGrayLevelEmphasis", "LargeDependenceLowGrayLevelEmphasis", "LowGrayLevelEmphasis",
        "SmallDependenceEmphasis", "SmallDependenceHighGrayLevelEmphasis", "SmallDependenceLowGrayLevelEmphasis",
    ),
    "ngtdm": ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength"),
}  # fmt: skip


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of each channel."""
    levels = (
        f"grey levels {_BINS['HU']:g} HU wide in CT, {_BINS['SUV']:g} wide in SUV, else {_COUNT} of the region's range"
    )
    return tuple(
        Column(
            f"{matrix}_{feature.lower()}_{channel}",
            "",
            "float64",
            f"{matrix.upper()} {feature}: {levels}; neighbours at a distance of one voxel.",
            _SOURCE,
        )
        for channel in channels
        for matrix, features in FEATURES.items()
        for feature in features
    )


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    row: dict[str, Any] = {}
    for number, channel in enumerate(found.channels):
        width = _bin_width(found.image, number)
        features = texture_features(found.crop(number), found.mask, bin_width=width)
        row |= {f"{name}_{channel}": value for name, value in features.items()}
    return row


def texture_features(voxels: np.ndarray, mask: np.ndarray, *, bin_width: float | None = None) -> dict[str, float]:
    """All texture features of a region.

    Args:
        voxels: One channel in the region's box, shape (x, y[, z]).
        mask: The region in it, boolean; voxels that are not finite are left out.
        bin_width: Width of a grey level; `None` for 32 of the region's range.

    Returns:
        By name, such as "glcm_contrast"; nothing for a region without a finite voxel. NaN where PyRadiomics defines
        none: a single voxel has no neighbour.

    Raises:
        MissingExtraError: PyRadiomics is not installed.
    """
    classes = _classes()
    inside = mask & np.isfinite(voxels) if voxels.dtype.kind == "f" else mask
    if not inside.any():
        return {}
    import SimpleITK

    settings: dict[str, Any] = {"binCount": _COUNT} if bin_width is None else {"binWidth": bin_width}
    # PyRadiomics finds no direction to a neighbour in a box of one voxel, so there is a rim around the region.
    filled, inside = np.pad(np.where(inside, voxels, voxels[inside].flat[0]), 1, mode="edge"), np.pad(inside, 1)
    image, region = (SimpleITK.GetImageFromArray(array.T) for array in (filled, inside.astype(np.uint8)))
    row: dict[str, float] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what it divides by nothing becomes NaN, and is empty
        for matrix, features in FEATURES.items():
            values = classes[matrix](image, region, label=1, additionalInfo=False, **settings).execute()
            row |= {f"{matrix}_{feature.lower()}": float(values.get(feature, np.nan)) for feature in features}
    return row


def _bin_width(image: Image, channel: int) -> float | None:
    unit = image.facts.get(f"unit_{channel}", image.unit)
    return _BINS.get("SUV" if unit.upper().startswith("SUV") else unit.upper())


def _classes() -> dict[str, Any]:
    try:
        import radiomics
    except ImportError as error:
        raise MissingExtraError(
            "families", "texture needs PyRadiomics, which is not installed", f"{INSTALL}."
        ) from error
    radiomics.setVerbosity(40)  # errors alone
    classes: dict[str, Any] = radiomics.getFeatureClasses()
    return classes
