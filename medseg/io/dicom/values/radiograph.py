"""What the header of a projection image says: the size of its pixels, its side and its view.

The rule of spacing is that of DICOM PS3.3 10.7.1 (Basic Pixel Spacing Calibration Macro): PixelSpacing that equals the
detector's spacing, or the film's, is not calibrated; one that differs is, and holds in the patient.
"""

from typing import Any

import numpy as np

from medseg.geometry import Geometry

__all__ = ["facts", "radiograph_grid"]

_XRAY = ("CR", "DX", "MG", "RG", "IO", "PX", "XA", "RF")
_DETECTOR = ("ImagerPixelSpacing", "NominalScannedPixelSpacing")
_MAGNIFICATION = "EstimatedRadiographicMagnificationFactor"
_PLAUSIBLE = (1.0, 10.0)  # source to detector over source to object; the object lies between both
_SAME = 1e-3  # share by which two spacings may differ that are one, written with different digits
_SIDES = {
    "R": "R", "L": "L", "B": "B",
    "24028007": "R", "7771000": "L", "51440002": "B", "G-A100": "R", "G-A101": "L", "G-A102": "B",
}  # fmt: skip


def radiograph_grid(header: Any) -> tuple[Geometry, tuple[str, ...]]:
    """The 2D grid of a projection, its spacing unknown where no tag tells it, and notes on what is doubtful.

    Calibrated PixelSpacing is taken as it is. The spacing of a detector or film is divided by the magnification where
    that is given. `Geometry.spacing_source` says which: "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", the latter two perhaps with "corrected for magnification".

    Args:
        header: A `pydicom.Dataset` with Rows and Columns.
    """
    notes: list[str] = []
    shape = (int(header.Columns), int(header.Rows))
    detector = next((name for name in _DETECTOR if _pair(header, name, notes) is not None), None)
    at_detector = None if detector is None else _pair(header, detector, [])
    given = _pair(header, "PixelSpacing", notes)
    if given is not None and (at_detector is None or _calibrated(header, given, at_detector)):
        notes += _doubts(header, given, at_detector)
        return _grid(shape, given, "PixelSpacing"), tuple(notes)
    if at_detector is None or detector is None:
        ratio = header.get("PixelAspectRatio")
        if ratio and len(ratio) == 2 and int(ratio[0]) != int(ratio[1]):
            notes.append(f"pixels are not square (PixelAspectRatio {ratio[0]}:{ratio[1]}) and their size is unknown")
        return Geometry.from_spacing(shape, None), tuple(notes)
    factor = _magnification(header, notes)
    if factor is not None:
        return _grid(shape, at_detector / factor, f"{detector} corrected for magnification"), tuple(notes)
    notes.append(f"{detector} holds in the plane of the detector: in the patient, lengths are shorter")
    return _grid(shape, at_detector, detector), tuple(notes)


def facts(header: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    """What a header says of a projection by name, as far as it does, and notes on what a user must know.

    The names are laterality ("R", "L" or "B"), view, body_part, patient_orientation, presentation_intent,
    burned_in_annotation, breast_implant and lossy_compression.
    """
    notes: list[str] = []
    said = {
        "laterality": _laterality(header, notes),
        "view": _text(header, "ViewPosition") or _meaning(header, "ViewCodeSequence"),
        "body_part": _text(header, "BodyPartExamined") or _meaning(header, "AnatomicRegionSequence"),
        "patient_orientation": _text(header, "PatientOrientation"),
        "presentation_intent": _text(header, "PresentationIntentType"),
        "burned_in_annotation": _text(header, "BurnedInAnnotation"),
        "breast_implant": _text(header, "BreastImplantPresent"),
        "lossy_compression": {"00": "NO", "01": "YES"}.get(_text(header, "LossyImageCompression"), ""),
    }
    if said["burned_in_annotation"] == "YES":
        notes.append("BurnedInAnnotation is YES: text in the picture may name the patient")
    if said["presentation_intent"] == "FOR PROCESSING":
        notes.append("PresentationIntentType is FOR PROCESSING: raw detector values, not what a reader sees")
    return {name: value for name, value in said.items() if value}, tuple(notes)


def _pair(header: Any, name: str, notes: list[str]) -> np.ndarray | None:
    """Spacings of rows and columns; what is none is noted."""
    value = header.get(name)
    if value in (None, ""):
        return None
    pair = np.asarray(value, np.float64)
    if pair.shape == (2,) and np.isfinite(pair).all() and pair.min() > 0:
        return pair
    notes.append(f"{name} {pair.tolist()} is no spacing")
    return None


def _grid(shape: tuple[int, int], pair: np.ndarray, source: str) -> Geometry:
    # DICOM gives the distance of rows first; ours is x, the distance of columns.
    return Geometry.from_spacing(shape, [float(pair[1]), float(pair[0])], source)


def _calibrated(header: Any, given: np.ndarray, at_detector: np.ndarray) -> bool:
    differs = not np.allclose(given, at_detector, rtol=_SAME, atol=0)
    return differs or bool(_text(header, "PixelSpacingCalibrationType"))


def _doubts(header: Any, given: np.ndarray, at_detector: np.ndarray | None) -> list[str]:
    """What speaks against PixelSpacing being true in the patient."""
    if _text(header, "Modality") not in _XRAY or _text(header, "PixelSpacingCalibrationType"):
        return []
    if at_detector is None:
        return ["PixelSpacing alone: it may hold in the plane of the detector, where lengths are longer"]
    if (given > at_detector * (1 + _SAME)).any():
        return ["PixelSpacing is above the detector's spacing, as no magnification makes it: pixels may be binned"]
    return ["PixelSpacing differs from the detector's and is taken as calibrated; no tag says how"]


def _magnification(header: Any, notes: list[str]) -> float | None:
    value = header.get(_MAGNIFICATION)
    if value in (None, ""):
        return None
    factor = float(value)
    if _PLAUSIBLE[0] <= factor <= _PLAUSIBLE[1]:
        return factor
    notes.append(f"{_MAGNIFICATION} {factor:g} is impossible and was not used")
    return None


def _laterality(header: Any, notes: list[str]) -> str:
    """The side of the body, of a pair of organs: by the image, the series or the code of the region.

    The view's code says from which side the picture was taken, which is another thing.
    """
    found = {name: _SIDES.get(_text(header, name), "") for name in ("ImageLaterality", "Laterality")}
    found["AnatomicRegionModifierSequence"] = _side_of_region(header)
    sides = {name: side for name, side in found.items() if side}
    if len(set(sides.values())) > 1:
        notes.append(f"sides contradict each other: {', '.join(f'{name} {side}' for name, side in sides.items())}")
    return next(iter(sides.values()), "")


def _side_of_region(header: Any) -> str:
    regions = list(header.get("AnatomicRegionSequence") or ())
    for item in (*regions[:1], header):
        for modifier in item.get("AnatomicRegionModifierSequence") or ():
            side = _SIDES.get(_text(modifier, "CodeValue"), "")
            if side:
                return side
    return ""


def _text(header: Any, name: str) -> str:
    value = header.get(name)
    if value is None:
        return ""
    return str(value).strip() if isinstance(value, str) else "\\".join(str(part) for part in value)


def _meaning(header: Any, name: str) -> str:
    return next((_text(item, "CodeMeaning") for item in header.get(name) or ()), "")
