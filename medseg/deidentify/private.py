"""Private attributes that are known to be safe: those of PS3.15 Table E.3.10-1 that hold numbers and codes."""

import re
import struct
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["SAFE", "is_safe", "safe_tags"]

# Creator and group, and the elements inside its block, by VR. The table also names bulk data and free text (GE's
# names of pulse sequences, Siemens' volumes of ultrasound, Hologic's tomosynthesis), which nobody can check: not these.
_SAFE = {
    ("Philips PET Private Group", 0x7053): {"DS": "00 09"},
    ("ELSCINT1", 0x00E1): {"DS": "21 50"},
    ("ELSCINT1", 0x01E1): {"CS": "26"},
    ("ELSCINT1", 0x01F1): {"CS": "01", "DS": "07 26 27"},
    ("GEMS_ACQU_01", 0x0019): {"DS": "23 24 27"},
    ("GEMS_PARM_01", 0x0043): {"IS": "39", "DS": "6F"},
    ("GEMS_HELIOS_01", 0x0045): {"SS": "01", "FL": "02"},
    ("GEMS_SERS_01", 0x0025): {"SL": "07"},
    ("GEIIS PACS", 0x0903): {"US": "10 11 12"},
    ("SIEMENS MR HEADER", 0x0019): {"IS": "0C", "CS": "0D", "FD": "0E 27"},
    ("Philips MR Imaging DD 001", 0x2005): {"FL": "0D 0E"},
    ("Philips Imaging DD 001", 0x2001): {
        "FL": "01 03 09 11 1A 1B 22 28 29 2C 2F 32 38 39 3B 3C 3E 41 47 54",
        "IS": "02 08 0A 1D 43 44 45 49 51",
        "CS": "04 06 07 0B 0C 0E 10 12 19 1C 1E 1F 21 24 26 27 2A 2B 2E 33 34 36 37 3A 3F 40 42 46 4A 4B 4C 4D 4E 53 56"
        " 57",
        "SS": "05 0F 15 16 2D 35 48",
        "SL": "13 14 17 18",
        "UL": "30 3D 55",
        "US": "31",
        "DS": "23",
        "FD": "4F",
    },
}
SAFE: Final[Mapping[tuple[str, int, int], str]] = {
    (creator, group, int(element, 16)): vr
    for (creator, group), by_vr in _SAFE.items()
    for vr, elements in by_vr.items()
    for element in elements.split()
}

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_CODE = re.compile(r"[A-Z0-9_ ]{0,16}")
_CELLS = {"FL": "f", "FD": "d", "SL": "l", "SS": "h", "UL": "L", "US": "H"}


def safe_tags(dataset: Any) -> frozenset[int]:
    """The private attributes of a dataset that are safe, and the creators of their blocks.

    Args:
        dataset: pydicom's Dataset; items of its sequences have tags of their own.
    """
    kept: set[int] = set()
    creators: dict[int, str] = {}
    for tag in [tag for tag in dataset.keys() if tag.is_private and tag.element >= 0x1000]:  # noqa: SIM118 - tags
        reserved = (tag.group << 16) | (tag.element >> 8)
        if reserved not in creators:
            creators[reserved] = str(dataset[reserved].value or "").strip() if reserved in dataset else ""
        known = (creators[reserved], tag.group, tag.element & 0xFF)
        if known in SAFE and is_safe(*known, dataset[tag].value):
            kept |= {int(tag), reserved}
    return frozenset(kept)


def is_safe(creator: str, group: int, element: int, value: Any) -> bool:
    """Whether the table names an attribute and its value has the form that the table says.

    Args:
        creator: The private creator of its block.
        group: Its group.
        element: The two last digits of its element.
        value: As pydicom reads it; bytes where its VR was unknown.
    """
    vr = SAFE.get((creator, group, element))
    return vr is not None and _has_form(vr, value)


def _has_form(vr: str, value: Any) -> bool:
    if isinstance(value, bytes):
        if vr in _CELLS:
            return len(value) % struct.calcsize(f"<{_CELLS[vr]}") == 0
        value = value.decode("ascii", "replace").rstrip(" \0").split("\\")
    values = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    if vr == "CS":
        return all(_CODE.fullmatch(str(one).strip()) for one in values)
    return all(one in (None, "") or _NUMBER.fullmatch(str(one).strip()) for one in values)
