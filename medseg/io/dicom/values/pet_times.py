"""When a PET tracer was given, and to when its decay was corrected."""

import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from medseg.io.dicom.values.private import private_text

__all__ = ["injected_at", "scan_start"]

_DATE = re.compile(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)")
_TIME = re.compile(r"(\d\d):?(\d\d)(?::?(\d\d)(\.\d+)?)?")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)$")


def scan_start(header: Any, others: Iterable[Any], half_life: float) -> tuple[datetime | None, tuple[str, ...]]:
    """The time to which DecayCorrection START refers, `None` where no tag tells it, and notes.

    It is SeriesDate and SeriesTime, unless they lie after the first acquisition: then the series was made later by
    a program, and GE's own tag is taken, else the time is computed back from that of the mean count rate of the
    frame, else it is the first acquisition (order and formula of QIBA's vendor-neutral pseudo-code).

    Args:
        header: The header of one slice.
        others: Headers of the other slices of the series.
        half_life: Of the tracer, in s.
    """
    series, own = _moment(header, "Series"), _acquired_at(header)
    acquired = [at for at in (own, *map(_acquired_at, others)) if at is not None]
    if series and not acquired:
        return series, ("SeriesTime was taken as the scan's start: there is no AcquisitionTime to compare it with",)
    if series and series <= min(acquired):
        return series, ()
    found = "SeriesTime is missing" if series is None else "SeriesTime lies after the first acquisition"
    text = private_text(header, 0x0009, "GEMS_PETD_01", 0x0D)
    by_ge = _parsed(text[:8], text[8:])
    if by_ge:
        return by_ge, (f"{found}: the scan's start is GE's (0009,100D)",)
    reference = float(header.get("FrameReferenceTime") or 0) / 1000
    duration = float(header.get("ActualFrameDuration") or 0) / 1000
    if own and reference > 0 and duration > 0:
        start = own + timedelta(seconds=_mean_rate_after(duration, half_life) - reference)
        return start, (f"{found}: the scan's start was computed from FrameReferenceTime",)
    if acquired:
        return min(acquired), (f"{found}: the scan's start is the first AcquisitionTime",)
    return None, ()


def injected_at(injection: Any, header: Any, scan: datetime) -> tuple[datetime | None, tuple[str, ...]]:
    """When the tracer was given, `None` where no tag tells it, and notes.

    Args:
        injection: The item of RadiopharmaceuticalInformationSequence.
        header: The header of the slice, for its time zone.
        scan: The scan's start: a time without a date is the last one before it.
    """
    text = str(injection.get("RadiopharmaceuticalStartDateTime") or "")
    given = _parsed(text[:8], text[8:])
    if given:
        return _local(given, text, header)
    given = _parsed(f"{scan:%Y%m%d}", str(injection.get("RadiopharmaceuticalStartTime") or ""))
    if given is None or given <= scan:
        return given, ()
    note = "RadiopharmaceuticalStartTime is later in the day than the scan: taken as that of the day before"
    return given - timedelta(days=1), (note,)


def _acquired_at(header: Any) -> datetime | None:
    """When the acquisition of a slice began."""
    text = str(header.get("AcquisitionDateTime") or "")
    return _moment(header, "Acquisition") or _parsed(text[:8], text[8:])


def _moment(header: Any, name: str) -> datetime | None:
    return _parsed(str(header.get(f"{name}Date") or ""), str(header.get(f"{name}Time") or ""))


def _parsed(date_text: str, time_text: str) -> datetime | None:
    """A date and a time of DICOM (also with the separators of ACR-NEMA), `None` for what is none."""
    date, time = _DATE.match(date_text), _TIME.match(time_text)
    if date is None or time is None:
        return None
    year, month, day = (int(part) for part in date.groups())
    hour, minute, second = (int(part or 0) for part in time.groups()[:3])
    try:
        whole = datetime(year, month, day, hour, minute)
    except ValueError:
        return None
    return whole + timedelta(seconds=second + float(time.group(4) or 0))


def _local(given: datetime, text: str, header: Any) -> tuple[datetime, tuple[str, ...]]:
    """A time with an offset from UTC, in the time zone of the other tags of its file."""
    offset = _OFFSET.search(text)
    if offset is None:
        return given, ()
    own = _OFFSET.search(str(header.get("TimezoneOffsetFromUTC") or ""))
    if own is None:
        note = "RadiopharmaceuticalStartDateTime has a time zone and the scan has none: taken as the same"
        return given, (note,)
    return given - _east(offset) + _east(own), ()


def _east(offset: re.Match[str]) -> timedelta:
    sign, hours, minutes = offset.groups()
    return (-1 if sign == "-" else 1) * timedelta(hours=int(hours), minutes=int(minutes))


def _mean_rate_after(duration: float, half_life: float) -> float:
    """How long after a frame's start the count rate equals its mean, in s."""
    constant = math.log(2) / half_life
    decay = constant * duration
    return math.log(decay / -math.expm1(-decay)) / constant
