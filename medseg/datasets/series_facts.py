"""What a rule can ask of a series: from DICOM headers, or from the JSON that dcm2niix writes beside a NIfTI file."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.datasets.series_rules import SeriesRule, Value
from medseg.errors import MedsegError
from medseg.io import formats

if TYPE_CHECKING:  # loads pydicom
    from medseg.io.dicom.tree import Series
    from medseg.io.dicom.volumes import Volume

__all__ = ["SeriesFacts", "of_dicom", "of_sidecar"]

_DEEPER = {"protocol", "kernel", "contrast", "thickness"}  # which the quick scan does not keep
_PLANES = ("sagittal", "coronal", "axial")
_NO_CONTRAST = ("no", "none", "n", "without", "ohne", "sans", "0")
_SIDECAR_MARKS = ("Modality", "SeriesInstanceUID", "SeriesNumber", "ConversionSoftware")
_LARGEST_SIDECAR = 16 << 20
_MOMENTS = (
    ("SeriesDate", "SeriesTime"),
    ("AcquisitionDateTime", ""),
    ("AcquisitionDate", "AcquisitionTime"),
    ("StudyDate", "SeriesTime"),
    ("StudyDate", "AcquisitionTime"),
    ("SeriesDate", ""),
    ("AcquisitionDate", ""),
    ("StudyDate", ""),
)


@dataclass(frozen=True)
class SeriesFacts:
    """A series that could be the one to segment.

    Args:
        study: Whose and of which study it is; equal for series of one study.
        name: What it is called.
        home: The deepest folder, or the zip, that holds its files.
        values: By the names of `FIELDS`, and "time" and "voxels"; what it does not say is not there.
    """

    study: tuple[str, str]
    name: str
    home: Path
    values: Mapping[str, Value] = field(default_factory=dict)


def of_dicom(series: "Series", volume: "Volume", rule: SeriesRule) -> SeriesFacts:
    """Of a volume that a scan found; a header is only read again for what the rule asks and the scan left out."""
    header = volume.first.header
    rows, columns = _number(header.get("Rows")) or 0, _number(header.get("Columns")) or 0
    values: dict[str, Value] = {
        "modality": volume.first.modality,
        "description": _text(header.get("SeriesDescription")),
        "kind": volume.kind,
        "number": _number(header.get("SeriesNumber")),
        "slices": len(volume.slices),
        "spacing": _between(volume),
        "thickness": _number(header.get("SliceThickness")),
        "pixel": _largest(header.get("PixelSpacing")),
        "orientation": _plane(header.get("ImageOrientationPatient")),
        "time": _moment(header),
        "date": _day(_moment(header)),
        "voxels": rows * columns * len(volume.slices),
    }
    if rule.fields & _DEEPER:
        values |= _deeper(volume, values)
    uid = str(header.get("StudyInstanceUID") or series.where)
    name = f"{volume.described()}, number {_text(header.get('SeriesNumber')) or '?'}"
    return SeriesFacts((_text(header.get("PatientID")), uid), name, series.where, _known(values))


def of_sidecar(path: Path) -> SeriesFacts | None:
    """Of a NIfTI file beside which dcm2niix left its JSON; `None` where there is none that says of which series it is.

    Without a StudyInstanceUID (dcm2niix leaves it out unless told `-ba n`) the files of one folder are one study.
    """
    if formats.ending(path) not in formats.NIFTI:
        return None
    said = _sidecar(path.with_name(f"{formats.stem(path)}.json"))
    if not any(said.get(name) for name in _SIDECAR_MARKS):
        return None
    values: dict[str, Value] = {
        "modality": _text(said.get("Modality")),
        "description": _text(said.get("SeriesDescription")),
        "protocol": _text(said.get("ProtocolName")),
        "kernel": _text(said.get("ConvolutionKernel")),
        "kind": "volume",
        "number": _number(said.get("SeriesNumber")),
        "thickness": _number(said.get("SliceThickness")),
        "orientation": _plane(said.get("ImageOrientationPatientDICOM")),
        "contrast": _contrast(_text(said.get("ContrastBolusAgent"))),
        "time": _moment(said),
        "date": _day(_moment(said)),
        **_of_grid(path),
    }
    uid = _text(said.get("StudyInstanceUID")) or str(path.parent)
    name = f"{values['modality'] or '?'} {str(values['description'] or path.name)!r}, number {said.get('SeriesNumber')}"
    return SeriesFacts((_text(said.get("PatientID")), uid), name, path.parent, _known(values))


def _known(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _sidecar(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_SIDECAR:
            return {}
        said = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _of_grid(path: Path) -> dict[str, Value]:
    """What the header of the file says, where it can be read; else reading it tells why not."""
    from medseg.io.reading import read_geometry

    try:
        grid = read_geometry(path)
    except MedsegError:
        return {}
    between = float(grid.step[2])
    pixel = float(max(grid.step[:2]))
    return {"slices": grid.shape[2], "spacing": between, "pixel": pixel, "voxels": math.prod(grid.shape)}


def _deeper(volume: "Volume", known: Mapping[str, Value]) -> dict[str, Value]:
    from medseg.io.dicom.acquisition import acquisition
    from medseg.io.dicom.headers import whole_header

    try:
        said = acquisition(whole_header(volume.first))
    except MedsegError:
        return {}
    return {
        "protocol": said.get("protocol"),
        "kernel": said.get("kernel"),
        "thickness": known["thickness"] or _number(said.get("slice_thickness_mm")),
        "contrast": _contrast(said.get("contrast_agent", "")),
    }


def _contrast(agent: str) -> bool:
    return agent.casefold() not in ("", *_NO_CONTRAST)


def _between(volume: "Volume") -> float | None:
    if volume.geometry is None:
        return _number(volume.first.header.get("SpacingBetweenSlices"))
    return float(volume.geometry.step[2])


def _plane(cosines: Any) -> str:
    """The plane that slices lie nearest to."""
    try:
        x1, y1, z1, x2, y2, z2 = (float(one) for one in cosines)
    except (TypeError, ValueError):
        return ""
    normal = [abs(y1 * z2 - z1 * y2), abs(z1 * x2 - x1 * z2), abs(x1 * y2 - y1 * x2)]
    return _PLANES[normal.index(max(normal))]


def _moment(said: Mapping[str, Any]) -> str:
    """Date and time as digits and a point, 20240131 235959.5 without the space; "" where no date is known."""
    for day, clock in _MOMENTS:
        found = re.match(r"(\d{4})[-.]?(\d{2})[-.]?(\d{2})T?([\d:.]*)", _text(said.get(day)))
        time = _text(said.get(clock)).replace(":", "")
        if found and (time or not clock):
            time = time or found[4].replace(":", "")
            return "".join(found.groups()[:3]) + _clock(time)
    return ""


def _clock(text: str) -> str:
    found = re.match(r"(\d{1,6})(\.\d{1,6})?", text)
    return found[1].ljust(6, "0") + (found[2] or "") if found else "000000"


def _day(moment: str) -> str:
    return f"{moment[:4]}-{moment[4:6]}-{moment[6:8]}" if moment else ""


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "\\".join(_text(part) for part in value)
    return "" if value is None else str(value).strip()


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _largest(values: Any) -> float | None:
    numbers = [_number(one) for one in values] if isinstance(values, (tuple, list)) else [_number(values)]
    return max((one for one in numbers if one is not None), default=None)
