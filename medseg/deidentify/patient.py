"""Whose object it is: the patient as a pseudonym, and the names that must not be left in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydicom import DataElement, Dataset

from medseg.deidentify.words import known_names
from medseg.pseudonyms import Pseudonyms

__all__ = ["Patient", "said", "values"]

_IDENTIFIERS: Final = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "PatientBirthDate", "PatientAddress",
    "PatientTelephoneNumbers", "IssuerOfPatientID", "AdmissionID", "MedicalRecordLocator", "MilitaryRank",
    "ClinicalTrialSubjectID", "RequestedProcedureID", "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
)  # fmt: skip
_INSTITUTION: Final = ("InstitutionName", "InstitutionAddress")


@dataclass(frozen=True, slots=True)
class Patient:
    """Whose object it is, as pseudonyms.

    Args:
        pseudonym: What takes the place of name and id; empty for an object that names nobody.
        days: By how many days dates move.
        names: What must not appear in any text that is left, in lower case.
    """

    pseudonym: str
    days: int
    names: frozenset[str]

    @classmethod
    def of(cls, dataset: Dataset, pseudonyms: Pseudonyms, *, named: bool = False) -> "Patient":
        """The patient of an object: by its id, else by name and date of birth, else by study.

        Args:
            dataset: Unchanged yet.
            pseudonyms: What takes the place of ids.
            named: Whether the institution may still be named.
        """
        identifiers = frozenset(_IDENTIFIERS if named else _IDENTIFIERS + _INSTITUTION)
        name, number = said(dataset, "PatientName"), said(dataset, "PatientID")
        known = number or "|".join((name, said(dataset, "PatientBirthDate"))).strip("|")
        people, numbers = [], []
        for element in _elements(dataset):
            if element.VR == "PN":
                people += [str(one) for one in values(element)]
            elif element.keyword in identifiers:
                numbers += [str(one) for one in values(element)]
        days = pseudonyms.days(known or said(dataset, "StudyInstanceUID"))
        return cls(pseudonyms.of("patient", known), days, known_names(people, numbers))


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    """All standard attributes, those of items too."""
    for tag in list(dataset.keys()):
        if not tag.is_private:
            element = dataset[tag]
            yield element
            for item in element.value if element.VR == "SQ" else ():
                yield from _elements(item)


def values(element: DataElement) -> list[Any]:
    """The values of an attribute, however many."""
    if element.is_empty:
        return []
    return list(element.value) if element.VM > 1 else [element.value]


def said(dataset: Dataset, keyword: str) -> str:
    """A value as text, without padding; empty where there is none."""
    return str(dataset.get(keyword) or "").strip(" \0")
