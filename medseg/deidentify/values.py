"""Values that take another's place: dummies of every kind, dates moved by whole days."""

import re
from datetime import date, timedelta
from typing import Any, Final

__all__ = ["ANONYMOUS", "dummy", "moved"]

ANONYMOUS: Final = "ANONYMIZED"

_DUMMIES: Final[dict[str, Any]] = {
    "AS": "000Y",
    "AT": 0,
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "TM": "000000",
    "UR": "urn:anonymized",
    **dict.fromkeys(("FL", "FD"), 0.0),
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), 0),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), bytes(8)),
}
_DATE = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})")
_TIME = re.compile(r"\d{2}(:?\d{2}(:?\d{2}(\.\d{1,6})?)?)?")
_ZONE = re.compile(r"[+-]\d{4}")
_DATETIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?")


def dummy(vr: str) -> Any:
    """A value of a kind that says nothing."""
    return _DUMMIES.get(vr, ANONYMOUS)


def moved(vr: str, text: str, days: int) -> str | None:
    """A date, time or both, moved by whole days; times of day stay as they are.

    A date and time that gives only a year or a month is moved from its middle; the older form with dots is written as
    the newer one. `None` if it has no date's form.

    Args:
        vr: DA, TM or DT; SH for an offset from UTC, which stays, too.
        text: One value, as DICOM writes it (PS3.5, 6.2), or in the older form with dots (DA) or colons (TM).
        days: By how many days.
    """
    plain = text.strip(" \0")
    if vr not in ("DA", "DT"):
        return plain if (_TIME if vr == "TM" else _ZONE).fullmatch(plain) else None
    found = (_DATE if vr == "DA" else _DATETIME).fullmatch(plain)
    if found is None:
        return None
    try:
        return _moved_date(found, days) if vr == "DA" else _moved_datetime(found, days)
    except (ValueError, OverflowError):
        return None


def _moved_date(found: re.Match[str], days: int) -> str:
    year, _, month, day = found.groups()
    there = date(int(year), int(month), int(day)) + timedelta(days)
    return f"{there.year:04}{there.month:02}{there.day:02}"


def _moved_datetime(found: re.Match[str], days: int) -> str:
    year, month, day, time, zone = found.groups()
    there = date(int(year), int(month or 7), int(day or (15 if month else 1))) + timedelta(days)
    parts = [f"{there.year:04}", f"{there.month:02}" * bool(month), f"{there.day:02}" * bool(day)]
    return "".join([*parts, time or "", zone or ""])
