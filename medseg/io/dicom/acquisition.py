"""What a DICOM header says of how an image was made and of whom, by names that carry their units."""

import math
import warnings
from collections.abc import Iterator
from datetime import date
from typing import Any

from medseg.io.dicom.headers import BROKEN
from medseg.io.dicom.values import radiograph

__all__ = ["acquisition"]

# Ours, DICOM's, and whether it is a number. "phase" is what the contrast module states, and never read off a name.
_VALUES = (
    ("modality", "Modality", False),
    ("manufacturer", "Manufacturer", False),
    ("model", "ManufacturerModelName", False),
    ("field_strength_t", "MagneticFieldStrength", True),
    ("kvp", "KVP", True),
    ("phase", "ContrastBolusAgentPhase", False),
    ("contrast_agent", "ContrastBolusAgent", False),
    ("series_description", "SeriesDescription", False),
    ("protocol", "ProtocolName", False),
    ("slice_thickness_mm", "SliceThickness", True),
    ("kernel", "ConvolutionKernel", False),
    ("echo_time_ms", "EchoTime", True),
    ("repetition_time_ms", "RepetitionTime", True),
    ("tracer", "Radiopharmaceutical", False),
    ("sex", "PatientSex", False),
)
_PROJECTION = ("laterality", "view", "body_part")
# Enhanced objects say in these what others say at the top.
_SHARED = "SharedFunctionalGroupsSequence"
_NESTED = (
    *("PixelMeasuresSequence", "CTXRayDetailsSequence", "CTReconstructionSequence", "MREchoSequence"),
    *("MRTimingAndRelatedParametersSequence", "ContrastBolusUsageSequence", "RadiopharmaceuticalInformationSequence"),
)
_ENHANCED = {"EchoTime": "EffectiveEchoTime", "ContrastBolusAgent": "ContrastBolusAgentSequence"}
_YEARS = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}


def acquisition(header: Any) -> dict[str, str]:
    """Scanner, settings, date, age, sex ... as far as a header says them; what it does not say is not there.

    The names are scanner (manufacturer and model), modality, manufacturer, model, field_strength_t, kvp, phase,
    contrast_agent, series_description, protocol, study_date (2020-01-31), patient_age_y, sex, slice_thickness_mm,
    kernel, echo_time_ms, repetition_time_ms, tracer, laterality, view and body_part. Nothing is guessed: `phase` is
    DICOM's ContrastBolusAgentPhase. Values that cannot be read are left out.

    Args:
        header: A `pydicom.Dataset`; its pixels are not needed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values of these change no voxel
        said = {name: _value(header, keyword, number) for name, keyword, number in _VALUES}
        said["scanner"] = _scanner(said["manufacturer"], said["model"])
        said["study_date"] = _date(_first(header, "StudyDate"))
        said["patient_age_y"] = _age(header)
        said |= _projection(header)
    return {name: value for name, value in said.items() if value}


def _value(header: Any, keyword: str, is_number: bool) -> str:
    text = _first(header, keyword)
    if not is_number:
        return text
    try:
        number = float(text)
    except ValueError:
        return ""
    return f"{number:.6g}" if math.isfinite(number) and number > 0 else ""


def _first(header: Any, keyword: str) -> str:
    """The value as text, at the top or in what the frames of an enhanced object share."""
    for item in _places(header):
        for name in (keyword, _ENHANCED.get(keyword, keyword)):
            try:
                value = item.get(name)
                if name.endswith("Sequence"):
                    value = value[0].get("CodeMeaning") if value else None
                several = not isinstance(value, str) and hasattr(value, "__iter__")
                text = "\\".join(str(part) for part in value) if several else str("" if value is None else value)
            except BROKEN:
                continue
            if text.strip(" \0"):
                return text.strip(" \0")
    return ""


def _places(header: Any) -> Iterator[Any]:
    yield header
    for parent in (header, *_items(header, _SHARED)[:1]):
        for name in _NESTED:
            yield from _items(parent, name)[:1]


def _items(header: Any, name: str) -> list[Any]:
    try:
        return list(header.get(name) or ())
    except BROKEN:
        return []


def _scanner(manufacturer: str, model: str) -> str:
    named = model.casefold().startswith(manufacturer.casefold())
    return model if named else f"{manufacturer} {model}".strip()


def _date(text: str) -> str:
    """A date of DICOM's (20200131, in old files 2020.01.31) as ISO 8601 has it; empty where it is none."""
    digits = text.replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return ""


def _age(header: Any) -> str:
    """PatientAge in years; without it, the whole years from birth to the study, where that is a year or more."""
    text = _first(header, "PatientAge").upper()
    if text[:-1].isdecimal() and text[-1:] in _YEARS:
        return f"{int(text[:-1]) / _YEARS[text[-1]]:.4g}"
    born, studied = _date(_first(header, "PatientBirthDate")), _date(_first(header, "StudyDate"))
    if not born or not studied or studied < born:
        return ""
    years = int(studied[:4]) - int(born[:4]) - (studied[5:] < born[5:])
    return str(years) if years else ""  # anonymisers write one date into both


def _projection(header: Any) -> dict[str, str]:
    """What projections say by one rule in all of medseg."""
    try:
        said = radiograph.facts(header)[0]
    except BROKEN:
        return {}
    return {name: said[name] for name in _PROJECTION if name in said}
