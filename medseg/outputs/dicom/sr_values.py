"""Columns of the region table as coded measurements: what each is called in DICOM, and its unit in UCUM."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medseg.codes import Code
from medseg.image import Image

if TYPE_CHECKING:
    from highdicom.sr import Measurement

__all__ = ["LINES", "Quantity", "coded", "concept", "quantities"]


@dataclass(frozen=True)
class Quantity:
    """What a column of the region table is.

    Args:
        column: Its name.
        name: In a code (PS3.16 CID 7469).
        unit: In UCUM.
        derivation: How the voxels were summed up (CID 7464), where they were.
    """

    column: str
    name: Code
    unit: Code
    derivation: Code | None = None


_MM, _PIXELS = Code("UCUM", "mm", "mm"), Code("UCUM", "{pixels}", "pixels")
_PLAIN = Code("UCUM", "1", "no units")
_AREA = Code("SCT", "131184002", "Area of defined region")
_LONG, _SHORT = Code("SCT", "103339001", "Long axis"), Code("SCT", "103340004", "Short axis")
_SIZES = (
    Quantity("volume_ml", Code("SCT", "118565006", "Volume"), Code("UCUM", "mL", "milliliter")),
    Quantity("area_mm2", _AREA, Code("UCUM", "mm2", "square millimeter")),
    Quantity("area_px", _AREA, _PIXELS),
    Quantity("longest_3d_mm", Code("IBSI", "L0JK", "Maximum 3D Diameter of a Mesh"), _MM),
    Quantity("tlg", Code("DCM", "126033", "Total Lesion Glycolysis"), Code("UCUM", "g", "gram")),
)
# The diameters whose ends are known: each column, and what the columns of its ends begin with.
LINES = {
    "longest_axial": (Quantity("longest_axial_mm", _LONG, _MM), Quantity("longest_axial_px", _LONG, _PIXELS)),
    "perpendicular": (Quantity("perpendicular_mm", _SHORT, _MM), Quantity("perpendicular_px", _SHORT, _PIXELS)),
}
_FIGURES = {
    "mean": Code("SCT", "373098007", "Mean"),
    "sd": Code("SCT", "386136009", "Standard Deviation"),
    "min": Code("SCT", "255605001", "Minimum"),
    "max": Code("SCT", "56851009", "Maximum"),
    "median": Code("SCT", "373099004", "Median"),
}
_PEAK = Code("DCM", "126031", "Peak Value Within ROI")
_SUV = Code("DCM", "126400", "Standardized Uptake Value")
_SUVS = {
    "SUVbw": (Code("DCM", "126401", "SUVbw"), Code("UCUM", "g/ml{SUVbw}", "Standardized Uptake Value body weight")),
    "SUVbsa": (
        Code("DCM", "126403", "SUVbsa"), Code("UCUM", "cm2/ml{SUVbsa}", "Standardized Uptake Value body surface area")
    ),
    "SUVibw": (
        Code("DCM", "126404", "SUVibw"), Code("UCUM", "g/ml{SUVibw}", "Standardized Uptake Value ideal body weight")
    ),
}  # fmt: skip
_UNITS = {"HU": Code("UCUM", "[hnsf'U]", "Hounsfield unit"), "Bq/ml": Code("UCUM", "Bq/ml", "Becquerels/milliliter")}
_SIGNALS = {
    "CT": Code("DCM", "112031", "Attenuation Coefficient"),
    "MR": Code("DCM", "110852", "MR signal intensity"),
    "PT": Code("DCM", "110821", "Nuclear Medicine Tomographic Activity"),
    "NM": Code("DCM", "110821", "Nuclear Medicine Tomographic Activity"),
    "US": Code("DCM", "110849", "Echogenicity"),
    **dict.fromkeys(("DX", "CR", "MG", "RF", "XA"), Code("DCM", "110850", "X-Ray Attenuation")),
}
_ANY_SIGNAL = Code("SCT", "246205007", "Quantity")


def quantities(image: Image, columns: list[str]) -> tuple[Quantity, ...]:
    """What of a region table a report says: sizes, and the intensities of the image's first channel.

    Args:
        image: The image that was measured; a report refers to one series, so other channels stay in the table.
        columns: Of the table.
    """
    channel = next((name.removeprefix("min_") for name in columns if name.startswith("min_")), None)
    modality, said = (image.facts.get(f"{what}_0", getattr(image, what)) for what in ("modality", "unit"))
    signal, unit = _signal(modality, said)
    figures = tuple(Quantity(f"{name}_{channel}", signal, unit, code) for name, code in _FIGURES.items())
    peak = (Quantity("suv_peak", signal, unit, _PEAK),) if said.startswith("SUV") else ()
    return tuple(one for one in (*_SIZES, *figures, *peak) if one.column in columns)


def _signal(modality: str, unit: str) -> tuple[Code, Code]:
    """What the values of an image are, and in what unit."""
    if unit in _SUVS:
        return _SUVS[unit]
    if unit.startswith("SUV"):
        return _SUV, Code("UCUM", f"{{{unit}}}", unit)
    known = _UNITS["HU"] if modality == "CT" else _UNITS.get(unit, _PLAIN)
    return _SIGNALS.get(modality, _ANY_SIGNAL), known


def coded(quantity: Quantity, row: Mapping[str, Any], coordinates: Any = None) -> "Measurement | None":
    """A value of the table as a measurement; None where the table has none.

    Args:
        quantity: What it is.
        row: The region's row.
        coordinates: Content items of the places that it was measured between.
    """
    from highdicom.sr import Measurement

    value = row.get(quantity.column)
    if value is None or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    derivation = None if quantity.derivation is None else concept(quantity.derivation)
    return Measurement(
        name=concept(quantity.name),
        value=float(value),
        unit=concept(quantity.unit),
        derivation=derivation,
        referenced_coordinates=coordinates,
    )


def concept(code: Code) -> Any:
    """A code as highdicom has it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)
