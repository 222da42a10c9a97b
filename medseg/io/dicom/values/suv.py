"""PET to SUV: what multiplies rescaled values, and the unit that they then have.

The formula and the order in which scan start times are believed follow the vendor-neutral pseudo-code of the QIBA
FDG-PET/CT profile ("SUV Vendor-Neutral Calculation"); the tags are those of DICOM PS3.3 C.8.9.1 (PET Series),
C.8.9.2 (PET Isotope) and C.7.2.2 (Patient Study).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

from medseg.errors import InputError
from medseg.io.dicom.values.pet_times import injected_at, scan_start
from medseg.io.dicom.values.private import private_text

__all__ = ["PetValues", "pet_values"]

_MEND = "Correct the tag, or read the values as stored (reading.pet=stored)."
_STORED_UNITS = {"BQML": "Bq/ml", "CNTS": "counts", "PROPCNTS": "counts", "CPS": "counts/s", "PROPCPS": "counts/s"}
_SUV_TYPES = {
    "BW": "SUVbw", "LBM": "SUVlbm", "LBMJAMES128": "SUVlbm", "LBMJANMA": "SUVlbm", "BSA": "SUVbsa", "IBW": "SUVibw",
}  # fmt: skip
_MBQ = 1e6
_DOSE_BQ = (_MBQ, 1e5 * _MBQ)  # below, the value is in MBq by mistake; above, nobody would live
_WEIGHT_KG = (1.0, 500.0)
_HALF_LIFE_S = (1.0, 1e9)
_HALF_LIVES = 10.0  # between injection and scan; later, nothing would be left to see


@dataclass(frozen=True)
class PetValues:
    """What turns rescaled PET values into numbers with a unit.

    Args:
        factor: Multiplies the rescaled values.
        unit: "SUVbw", "SUVlbm", "SUVbsa", "SUVibw", "Bq/ml", "counts", ...
        notes: What was doubtful.
    """

    factor: float
    unit: str
    notes: tuple[str, ...] = ()


def pet_values(
    where: Path, header: Any, wanted: Literal["suv", "stored"] = "suv", others: Iterable[Any] = ()
) -> PetValues:
    """The factor to SUV by body weight of a PET series, or its unit where the stored one is wanted.

    Bq/ml become SUVbw by `weight_g / (dose_bq · 2^(-delay / half_life))`. Values in g/ml are SUV already.

    Args:
        where: File or folder, for messages.
        header: The header of one slice (a `pydicom.Dataset`).
        wanted: "suv", or "stored" for the unit that the file has.
        others: Headers of the other slices; only their acquisition times are used (`.get(keyword)`).

    Raises:
        InputError: A tag that SUV needs is missing, contradicts another or is absurd.
    """
    units = str(header.get("Units") or "")
    if units == "GML":
        return _already_suv(where, header)
    if units == "CM2ML":
        return PetValues(1.0, "SUVbsa")
    if wanted == "stored":
        return PetValues(1.0, _STORED_UNITS.get(units, units))
    if units == "BQML":
        return _from_activity(where, header, others)
    if units == "CNTS":
        return _from_counts(where, header, others)
    raise _refusal(where, "Units", units or "missing", "BQML, GML, CM2ML or CNTS")


def _already_suv(where: Path, header: Any) -> PetValues:
    kind = str(header.get("SUVType") or "")
    if kind and kind not in _SUV_TYPES:
        raise _refusal(where, "SUVType", kind, f"one of {', '.join(_SUV_TYPES)}")
    notes: tuple[str, ...] = () if kind else ("the values are in g/ml without SUVType: taken as SUV by body weight",)
    if kind and kind != "BW":
        notes += (f"SUVType is {kind}: these values are not SUV by body weight",)
    corrected = _words(header, "CorrectedImage")
    if corrected and "ATTN" not in corrected:
        notes += ("CorrectedImage is without ATTN: this PET is not corrected for attenuation",)
    return PetValues(1.0, _SUV_TYPES.get(kind, "SUVbw"), notes)


def _from_counts(where: Path, header: Any, others: Iterable[Any]) -> PetValues:
    """Philips keeps factors in private tags: from counts to SUV, or from counts to Bq/ml."""
    _check_corrections(where, header)
    to_suv, to_activity = (
        _positive(private_text(header, 0x7053, "Philips PET Private Group", element)) for element in (0x00, 0x09)
    )
    if to_suv:
        return PetValues(to_suv, "SUVbw", ("counts were turned into SUV by Philips' factor (7053,1000)",))
    if to_activity:
        suv = _from_activity(where, header, others)
        note = "counts were turned into Bq/ml by Philips' factor (7053,1009)"
        return PetValues(to_activity * suv.factor, suv.unit, (note, *suv.notes))
    raise _refusal(where, "Units", "CNTS", "with them Philips' factor (7053,1000) or (7053,1009) above 0")


def _from_activity(where: Path, header: Any, others: Iterable[Any]) -> PetValues:
    _check_corrections(where, header)
    injections = list(header.get("RadiopharmaceuticalInformationSequence") or ())
    if len(injections) != 1:
        raise _refusal(where, "RadiopharmaceuticalInformationSequence", f"{len(injections)} items", "one injection")
    injection = injections[0]
    dose = _number(where, injection, "RadionuclideTotalDose", _DOSE_BQ, "Bq")
    weight = _number(where, header, "PatientWeight", _WEIGHT_KG, "kg")
    if header.get("DecayCorrection") == "ADMIN":
        return PetValues(1000 * weight / dose, "SUVbw")
    left, notes = _left(where, header, injection, others)
    return PetValues(1000 * weight / (dose * left), "SUVbw", notes)


def _left(where: Path, header: Any, injection: Any, others: Iterable[Any]) -> tuple[float, tuple[str, ...]]:
    """The share of the dose that is left at the time to which the values were corrected."""
    half_life = _number(where, injection, "RadionuclideHalfLife", _HALF_LIFE_S, "s")
    scan, notes = scan_start(header, others, half_life)
    if scan is None:
        raise _refusal(where, "SeriesTime", "missing", "the start of the scan")
    given, more = injected_at(injection, header, scan)
    if given is None:
        raise _refusal(where, "RadiopharmaceuticalStartDateTime", "missing", "the time of the injection")
    delay = (scan - given).total_seconds()
    if not 0 <= delay <= _HALF_LIVES * half_life:
        found = f"{given} and the scan's start {scan}, {delay / 60:.4g} minutes later"
        wanted = f"0 to {_HALF_LIVES:g} half-lives of {half_life / 60:.4g} minutes between them"
        raise _refusal(where, "RadiopharmaceuticalStartDateTime", found, wanted)
    return 2.0 ** (-delay / half_life), (*notes, *more)


def _check_corrections(where: Path, header: Any) -> None:
    corrected = _words(header, "CorrectedImage")
    if not {"ATTN", "DECY"} <= set(corrected):
        raise _refusal(where, "CorrectedImage", "\\".join(corrected) or "missing", "ATTN and DECY in it")
    decay = str(header.get("DecayCorrection") or "missing")
    if decay not in ("START", "ADMIN"):
        raise _refusal(where, "DecayCorrection", decay, "START or ADMIN")


def _number(where: Path, header: Any, keyword: str, bounds: tuple[float, float], unit: str) -> float:
    value = header.get(keyword)
    if value in (None, "", 0):
        raise _refusal(where, keyword, "missing" if value != 0 else "0", f"a number in {unit}")
    number = _positive(value)
    if not bounds[0] <= number <= bounds[1]:
        raise _refusal(where, keyword, str(value), f"{bounds[0]:g} to {bounds[1]:g} {unit}")
    return number


def _positive(value: Any) -> float:
    """A finite number above 0, or 0 for whatever else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if np.isfinite(number) and number > 0 else 0.0


def _words(header: Any, keyword: str) -> tuple[str, ...]:
    value = header.get(keyword) or ()
    return (value,) if isinstance(value, str) else tuple(str(word) for word in value)


def _refusal(where: Path, keyword: str, found: str, expected: str) -> InputError:
    tag = Tag(tag_for_keyword(keyword) or 0)
    return InputError(where, f"SUV cannot be computed: {keyword} {tag} is {found}", _MEND, expected)
