"""Real-world value mappings: what stored DICOM values mean in a unit (PS3.3 C.7.6.16.2.11)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["RealWorld", "real_world_value"]

_SUV = {
    "g/ml{SUVbw}": "SUVbw", "{SUVbw}g/ml": "SUVbw", "g/ml{SUVlbm}": "SUVlbm", "{SUVlbm}g/ml": "SUVlbm",
    "cm2/ml{SUVbsa}": "SUVbsa", "{SUVbsa}cm2/ml": "SUVbsa", "g/ml{SUVibw}": "SUVibw", "{SUVibw}g/ml": "SUVibw",
}  # fmt: skip
_NO_UNIT = ("1", "{ratio}")


@dataclass(frozen=True)
class RealWorld:
    """One mapping of stored (not rescaled) values: slope × value + intercept, or a table.

    Args:
        slope: In the unit for each stored value.
        intercept: In the unit.
        unit: The code of the unit (UCUM), or our word for an SUV; empty where it has no dimension.
        meaning: What is measured, in words of the file.
        first: The least stored value for which it holds.
        last: The greatest.
        table: In the place of slope and intercept: the value of each stored one from `first` on.
    """

    slope: float
    intercept: float
    unit: str
    meaning: str
    first: float
    last: float
    table: np.ndarray | None = None

    def reaches(self, stored: np.ndarray) -> bool:
        """Whether all stored values are mapped; without limits, they are."""
        return not (np.min(stored) < self.first or np.max(stored) > self.last)

    def of(self, stored: np.ndarray) -> np.ndarray:
        """Stored values in the unit, float32; the nearest that is mapped, where a table does not reach."""
        if self.table is None:
            return (stored * self.slope + self.intercept).astype(np.float32)
        at = np.clip(stored.astype(np.int64) - int(self.first), 0, len(self.table) - 1)
        return self.table[at].astype(np.float32)


def real_world_value(
    header: Any, pet: Literal["suv", "stored"] = "suv", frame: Any = None, stored: np.ndarray | None = None
) -> tuple[RealWorld | None, tuple[str, ...]]:
    """The mapping that is to be used in the place of rescaling, `None` where there is none such, and notes.

    It is used for a PET that has a mapping to SUV, where SUV is wanted; and where the header has one linear mapping
    and no rescaling at all, or the same. Every other is only noted.

    Args:
        header: A `pydicom.Dataset`; mappings in its shared functional groups are found too.
        pet: What is wanted of a PET.
        frame: The item of PerFrameFunctionalGroupsSequence of the frame, of a multi-frame object.
        stored: The stored values; a mapping that does not reach all of them is not used.
    """
    found = list(_mappings(header, frame))
    if not found:
        return None, ()
    units = ", ".join(f"{one.meaning or 'unnamed'} in {one.unit or 'no unit'}" for one in found)
    if stored is not None and not all(one.reaches(stored) for one in found):
        return None, (f"a real-world value mapping ({units}) does not reach all values and is not used",)
    suv = [one for one in found if one.unit in _SUV.values() and one.table is None]
    if header.get("Modality") == "PT" and pet == "suv" and suv:
        chosen = next((one for one in suv if one.unit == "SUVbw"), suv[0])
        return chosen, (f"values are {chosen.unit} by the real-world value mapping of the file",)
    if len(found) == 1 and found[0].table is None and _agrees(found[0], header, frame):
        return found[0], (f"values are {units} by the real-world value mapping of the file",)
    return None, (f"a real-world value mapping ({units}) is not used",)


def _mappings(header: Any, frame: Any) -> Iterator[RealWorld]:
    shared = next(iter(header.get("SharedFunctionalGroupsSequence") or ()), None)
    for place in (header, shared, frame):
        for item in (None if place is None else place.get("RealWorldValueMappingSequence")) or ():
            mapping = _mapping(item)
            if mapping is not None:
                yield mapping


def _mapping(item: Any) -> RealWorld | None:
    first, last = (_first(item, f"RealWorldValue{end}ValueMapped") for end in ("First", "Last"))
    code = next(iter(item.get("MeasurementUnitsCodeSequence") or ()), None)
    unit = "" if code is None else str(code.get("CodeValue") or "")
    unit = "" if unit in _NO_UNIT else _SUV.get(unit, unit)
    meaning = str(item.get("LUTExplanation") or item.get("LUTLabel") or "")
    table, slope = item.get("RealWorldValueLUTData"), item.get("RealWorldValueSlope")
    if table is not None and len(table) and np.isfinite(first):
        return RealWorld(0.0, 0.0, unit, meaning, first, last, np.asarray(table, np.float64))
    if slope is None or not np.isfinite(float(slope)) or float(slope) == 0:
        return None
    return RealWorld(float(slope), float(item.get("RealWorldValueIntercept") or 0), unit, meaning, first, last)


def _first(item: Any, keyword: str) -> float:
    for name in (keyword, f"DoubleFloat{keyword}"):
        value = item.get(name)
        if value is not None:
            return float(value)
    return float("nan")


def _agrees(mapping: RealWorld, header: Any, frame: Any) -> bool:
    """Whether nothing else says what the stored values mean, or it says the same."""
    if "ModalityLUTSequence" in header:
        return False
    shared = next(iter(header.get("SharedFunctionalGroupsSequence") or ()), None)
    places = [header]
    for groups in (shared, frame):
        places += () if groups is None else groups.get("PixelValueTransformationSequence") or ()
    pairs = [
        (float(place.get("RescaleSlope")), float(place.get("RescaleIntercept") or 0))
        for place in places
        if place.get("RescaleSlope") not in (None, "")
    ]
    return all(pair == (mapping.slope, mapping.intercept) for pair in pairs)
