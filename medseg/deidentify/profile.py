"""What the user wants kept, and what therefore becomes of each attribute."""

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from medseg.config import Settings
from medseg.deidentify import table
from medseg.deidentify.blank_rules import BlankRule

__all__ = ["Action", "Burnt", "Dates", "Group", "Profile"]

Dates = Literal["remove", "shift", "keep"]
Group = Literal["device", "patient", "institution"]
Burnt = Literal["flag", "withhold"]

_DATE_VRS = ("DA", "DT", "TM")
# Versions of vocabularies are the same for everybody: moved with a patient's dates, they would give away by how much.
_VERSIONS = frozenset({0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07})
_TIMEZONE = 0x00080201
_FREE_TEXT = ("ST", "LT", "UT")
# Groups that are about people, visits and reports: what the table does not name there is not kept.
_PERSONAL_GROUPS = (0x0010, 0x0038, 0x4008)
_ANIMAL = frozenset({0x00102201, 0x00102202, 0x00102292, 0x00102293})
# UIDs of classes and vocabularies: they say what kind of thing or which code list is meant, and identify nobody.
_VOCABULARY_UIDS = frozenset(
    {0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x0008010C, 0x00080117, 0x00080118, 0x00081150}
)


class Action(StrEnum):
    """What is done with an attribute; those with "or" depend on the kind of object."""

    KEEP = "kept"
    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "replaced"
    UID = "UID replaced"
    SHIFT = "date shifted"
    CLEAN = "words cleaned"
    AE = "name replaced"
    EMPTY_OR_DUMMY = "emptied or replaced"
    REMOVE_OR_DUMMY = "removed or replaced"


_OF_TABLE: Final = {
    "D": Action.DUMMY,
    "Z": Action.EMPTY,
    "X": Action.REMOVE,
    "U": Action.UID,
    "Z/D": Action.EMPTY_OR_DUMMY,
    "X/Z": Action.EMPTY,  # zero length is valid for what may be left out, too
    "X/D": Action.REMOVE_OR_DUMMY,
    "X/Z/D": Action.REMOVE_OR_DUMMY,
    "X/Z/U*": Action.KEEP,  # the references inside have rows of their own
}
# References to the performed procedure step are required in some objects and never empty: their UIDs are replaced.
# Those to the study are never required and never empty.
_REFERENCES: Final = {0x00081111: Action.KEEP, 0x00081110: Action.REMOVE}


class Profile(Settings):
    """The Basic Application Confidentiality Profile of PS3.15 Annex E, with the options that are wanted.

    Args:
        dates: Removed (the Basic Profile), shifted by days that are the patient's own, or kept.
        keep: Identity of devices, characteristics of patients (sex, age, size, weight ...), identity of institutions.
        clean_descriptors: Whether descriptions keep the words that are known to be harmless, rather than go.
        safe_private: Whether private attributes known to be safe stay.
        burnt_in: Whether pictures that show or may show text are written and flagged, or held back.
        blank: Regions of pictures to be blanked.
    """

    dates: Dates = "remove"
    keep: frozenset[Group] = frozenset()
    clean_descriptors: bool = False
    safe_private: bool = True
    burnt_in: Burnt = "flag"
    blank: tuple[BlankRule, ...] = Field(default=())

    def action(self, tag: int, vr: str) -> Action:
        """What becomes of a standard attribute.

        Where options contradict one another, the one that hides more wins.

        Args:
            tag: Group and element, the group even.
            vr: Its value representation.
        """
        if _misplaced(tag):
            return Action.REMOVE
        found = self._by_option(tag, vr)
        if found is None:
            found = _basic(tag) if tag in table.ACTIONS else self._unlisted(tag, vr)
        return found

    def wordless(self, tag: int) -> Action:
        """What becomes of a description of which no word may stay."""
        return _basic(tag) if tag in table.ACTIONS else Action.EMPTY

    def codes(self) -> Iterator[tuple[str, str]]:
        """Codes and meanings of the profile and its options (PS3.16 CID 7050), but that for blanked pixels."""
        yield "113100", "Basic Application Confidentiality Profile"
        if self.clean_descriptors:
            yield "113105", "Clean Descriptors Option"
        if self.dates == "keep":
            yield "113106", "Retain Longitudinal Temporal Information Full Dates Option"
        if self.dates == "shift":
            yield "113107", "Retain Longitudinal Temporal Information Modified Dates Option"
        if "patient" in self.keep:
            yield "113108", "Retain Patient Characteristics Option"
        if "device" in self.keep:
            yield "113109", "Retain Device Identity Option"
        if self.safe_private:
            yield "113111", "Retain Safe Private Option"
        if "institution" in self.keep:
            yield "113112", "Retain Institution Identity Option"

    def digest(self) -> str:
        """What tells one profile from another: the beginning of a hash of its settings."""
        values = self.model_dump(mode="json") | {"keep": sorted(self.keep)}
        return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:16]

    def _by_option(self, tag: int, vr: str) -> Action | None:
        if self.dates != "remove" and _dated(tag, vr):
            return Action.KEEP if self.dates == "keep" else _shifted(tag)
        if self.clean_descriptors and tag in table.CLEANED:
            return Action.CLEAN
        for group, kept, cleaned in (
            ("institution", table.INSTITUTION, frozenset()),
            ("device", table.DEVICE, frozenset()),
            ("patient", table.PATIENT, table.PATIENT_CLEANED),
        ):
            if group in self.keep and tag in kept | cleaned:
                return Action.KEEP if tag in kept else Action.CLEAN
        return Action.AE if "device" in self.keep and tag in table.DEVICE_CLEANED else None

    def _unlisted(self, tag: int, vr: str) -> Action:
        """An attribute that the table does not name: by its kind, as its note 4 advises for dates."""
        group = tag >> 16
        if group in _PERSONAL_GROUPS:
            return Action.KEEP if tag in _ANIMAL else Action.REMOVE
        if vr in _DATE_VRS:
            return {"keep": Action.KEEP, "shift": Action.SHIFT, "remove": Action.DUMMY}[self.dates]
        if vr == "UI":
            return Action.KEEP if tag in _VOCABULARY_UIDS else Action.UID
        by_vr = {"PN": Action.DUMMY, "UR": Action.REMOVE, "UN": Action.REMOVE, "AE": Action.AE}
        return Action.CLEAN if vr in _FREE_TEXT else by_vr.get(vr, Action.KEEP)


def _basic(tag: int) -> Action:
    return _REFERENCES.get(tag) or _OF_TABLE[table.ACTIONS[tag]]


def _misplaced(tag: int) -> bool:
    """Group lengths, groups that belong to commands, file heads and directories, curves, overlays, padding."""
    group, element = tag >> 16, tag & 0xFFFF
    return element == 0 or group in (0x0000, 0x0002, 0x0004) or group >> 8 in (0x50, 0x60) or group > 0x7FE0


def _dated(tag: int, vr: str) -> bool:
    dates = vr in _DATE_VRS and tag in table.ACTIONS and tag not in table.UNDATED
    return dates or tag in table.DATED_OTHERWISE


def _shifted(tag: int) -> Action:
    if tag in _VERSIONS:
        return Action.KEEP
    if tag == _TIMEZONE:  # stays where it has its form, so that times with and without it can still be compared
        return Action.SHIFT
    # One device was calibrated on one day: its dates, moved with each patient's, would tell the patients' shifts apart.
    return _basic(tag) if tag in table.DEVICE | table.DATED_OTHERWISE else Action.SHIFT
