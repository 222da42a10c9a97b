"""The attributes of one object, de-identified in place, in its sequences too."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom import DataElement, Dataset, Sequence
from pydicom.uid import UID_dictionary

from medseg.deidentify.patient import Patient, said, values
from medseg.deidentify.private import safe_tags
from medseg.deidentify.profile import Action, Profile
from medseg.deidentify.table import ACTIONS
from medseg.deidentify.values import ANONYMOUS, dummy, moved
from medseg.deidentify.words import cleaned, without
from medseg.pseudonyms import Pseudonyms

__all__ = ["Header"]

_PATIENT_NAME, _PATIENT_ID, _ACCESSION, _STUDY_ID = 0x00100010, 0x00100020, 0x00080050, 0x00200010
_BODY_PART: Final = 0x00180015  # a code that some operators type freely
_KINDS: Final = {_ACCESSION: "accession", _STUDY_ID: "study id"}
_TEXTS = ("LO", "LT", "SH", "ST", "UC", "UT")
_CODES = (0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119, 0x00080120)
# Code lists that anybody can read; codes of any other (often "99..." or "L") are a hospital's own words.
_PUBLIC_LISTS: Final = frozenset(
    ("DCM", "SCT", "SRT", "SNM3", "99SDM", "LN", "UCUM", "RADLEX", "FMA", "NCIt", "UMLS", "MDC", "IBSI", "I9C", "I10",
     "ICD10", "C4", "CPT4", "BI", "MA", "MSH", "NEU", "PUBCHEM_CID", "RXNORM", "ISO3166_1", "RFC5646")
)  # fmt: skip
# Objects in which no attribute is required that the table would remove only where it is not: single-frame CT, MR, CR,
# DX, ultrasound, secondary capture, nuclear medicine.
_CLASSIC: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{last}"
    for last in ("1", "1.1", "1.1.1", "2", "4", "3.1", "6.1", "7", "7.1", "7.2", "7.3", "7.4", "20")
)
_OLDEST = 90  # years; older than 89 is rare enough to tell who it is


@dataclass
class Header:
    """What is done to one object.

    Args:
        profile: What is wanted.
        pseudonyms: What takes the place of ids and UIDs.
        patient: Whose it is.
        sop_class: What kind of object it is.
        done: What was done, by keyword and action; filled by `clean`.
    """

    profile: Profile
    pseudonyms: Pseudonyms
    patient: Patient
    sop_class: str
    done: Counter[tuple[str, str]] = field(default_factory=Counter)

    def clean(self, dataset: Dataset, *, strict: bool = False) -> None:
        """De-identify a dataset and the items of its sequences.

        Args:
            dataset: Changed in place.
            strict: Whether every text in it is replaced, as in a sequence whose content the profile replaces.
        """
        private = safe_tags(dataset) if self.profile.safe_private else frozenset()
        for tag in list(dataset.keys()):
            if tag.is_private:
                if tag not in private:
                    del dataset[tag]
                self._count("private attributes", Action.KEEP if tag in private else Action.REMOVE)
            else:
                self._element(dataset, dataset[tag], strict)

    def _element(self, dataset: Dataset, element: DataElement, strict: bool) -> None:
        if not element.keyword and element.tag not in ACTIONS:  # newer than the dictionary: nobody knows what it says
            del dataset[element.tag]
            return self._count("unknown attributes", Action.REMOVE)
        action = self._resolved(element, self.profile.action(element.tag, element.VR))
        if strict and action in (Action.KEEP, Action.CLEAN) and element.VR in _TEXTS and element.tag not in _CODES:
            action = Action.DUMMY
        if action is Action.CLEAN and element.VR != "SQ" and not element.is_empty:
            action = self._words(element)
        if action is Action.REMOVE:
            del dataset[element.tag]
        elif element.VR == "SQ":
            self._sequence(element, action, strict)
        elif not element.is_empty:
            action = self._value(element, action)
        if action is not Action.KEEP:
            self._count(element.keyword or f"({element.tag.group:04X},{element.tag.elem:04X})", action)

    def _resolved(self, element: DataElement, action: Action) -> Action:
        """What depends on the kind of object: where an attribute may be required, it gets a dummy."""
        if action not in (Action.EMPTY_OR_DUMMY, Action.REMOVE_OR_DUMMY):
            return action
        if self.sop_class in _CLASSIC:
            return Action.EMPTY if action is Action.EMPTY_OR_DUMMY else Action.REMOVE
        return Action.DUMMY

    def _sequence(self, element: DataElement, action: Action, strict: bool) -> None:
        if action is Action.EMPTY:
            element.value = Sequence()
        elif action is Action.DUMMY and element.keyword.endswith("CodeSequence"):
            element.value = Sequence([_nameless_code()] if element.value else [])
        else:
            for at, item in enumerate(element.value):
                if "CodingSchemeDesignator" in item and not _public(item):
                    element.value[at] = _nameless_code()
                else:
                    self.clean(item, strict=strict or action is Action.DUMMY)

    def _value(self, element: DataElement, action: Action) -> Action:
        """Give an attribute its new value; what was done in the end."""
        instead = self._pseudonym(element, action)
        if instead is not None:
            element.value = instead
            return Action.DUMMY
        if action is Action.SHIFT:
            there = [moved(element.VR, str(one), self.patient.days) for one in values(element)]
            if None in there:  # no date's form: nobody knows what it says
                action = Action.EMPTY if self.sop_class in _CLASSIC else Action.DUMMY
            else:
                element.value = there if len(there) > 1 else there[0]
        if action is Action.UID or (action is Action.DUMMY and element.VR == "UI"):
            element.value = _each(element, self._uid)
        elif action is Action.AE:
            element.value = _each(element, lambda title: self.pseudonyms.of("AE", title))
        elif action is Action.EMPTY:
            element.value = "" if element.VR in (*_TEXTS, "PN") else None
        elif action is Action.DUMMY:
            element.value = dummy(element.VR)
        elif action is Action.KEEP:
            return self._kept(element)
        return action

    def _words(self, element: DataElement) -> Action:
        """Keep the harmless words; where there are none, what is done without them."""
        words = [cleaned(str(one), self.patient.names) for one in values(element)]
        if not any(words):
            return self._resolved(element, self.profile.wordless(element.tag))
        element.value = words if len(words) > 1 else words[0]
        return Action.CLEAN

    def _kept(self, element: DataElement) -> Action:
        """What is kept still must not name this patient."""
        if element.tag == 0x00101010:
            return self._age(element)
        if not (element.VR in _TEXTS or element.tag == _BODY_PART) or element.tag in _CODES:
            return Action.KEEP
        before = [str(one) for one in values(element)]
        after = [without(one, self.patient.names) or ANONYMOUS * bool(one) for one in before]
        if after == before:
            return Action.KEEP
        element.value = after if len(after) > 1 else after[0]
        return Action.CLEAN

    def _age(self, element: DataElement) -> Action:
        age = str(element.value)
        if not (age.endswith("Y") and age[:-1].isdigit() and int(age[:-1]) >= _OLDEST):
            return Action.KEEP
        element.value = f"{_OLDEST:03}Y"
        return Action.CLEAN

    def _pseudonym(self, element: DataElement, action: Action) -> str | None:
        """What stands for ids that link one object with others."""
        if element.tag in (_PATIENT_NAME, _PATIENT_ID):
            return self.patient.pseudonym
        if element.tag in _KINDS:
            return self.pseudonyms.of(_KINDS[element.tag], str(element.value))
        numbered = element.keyword.endswith(("ID", "Identifier")) and element.VR in ("LO", "SH")
        return self.pseudonyms.of(element.keyword, str(element.value)) if numbered and action is Action.DUMMY else None

    def _uid(self, uid: str) -> str:
        """Another UID; those that DICOM lists stay. Programs have made up instances' UIDs under DICOM's own root."""
        return uid if uid in UID_dictionary else self.pseudonyms.uid(uid)

    def _count(self, keyword: str, action: Action) -> None:
        self.done[keyword, str(action)] += 1


def _public(code: Dataset) -> bool:
    return said(code, "CodingSchemeDesignator") in _PUBLIC_LISTS


def _nameless_code() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = ANONYMOUS, "99MEDSEG", "Anonymized"
    return code


def _each(element: DataElement, change: Any) -> Any:
    changed = [change(str(one)) for one in values(element)]
    return changed if len(changed) > 1 else changed[0]
