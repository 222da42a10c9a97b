"""What is asked of an archive: attributes of studies and series, as a user writes them, sends them and checks them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Self

from medseg.errors import ConfigError

__all__ = ["Found", "Query"]

# PS3.4 table C.6-2 and C.6-3: what belongs to the series; all else to patient and study.
_SERIES = frozenset(
    {
        *("Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime"),
        *("BodyPartExamined", "ProtocolName", "Manufacturer", "StationName", "PerformedProcedureStepStartDate"),
        *("Laterality", "OperatorsName", "ManufacturerModelName", "FrameOfReferenceUID"),
    }
)
_STUDY = frozenset(
    {
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "IssuerOfPatientID", "OtherPatientIDs"),
        *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
        *("ModalitiesInStudy", "ReferringPhysicianName", "InstitutionName"),
    }
)
_TOLD = frozenset({"Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "BodyPartExamined"})
_NOT_IMAGES = frozenset(
    {"SR", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "PR", "KO", "REG", "RWV", "AU", "ECG", "DOC", "FID"}
)
_RANGE = re.compile(r"(\d{8})?-(\d{8})?")


@dataclass(frozen=True)
class Found:
    """A study or series that an archive told of.

    Args:
        uid: Its Instance UID.
        values: Its attributes by their keywords; of several values joined by a backslash.
    """

    uid: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """Conditions on studies and on their series, by keyword.

    A value may have `*` and `?`; of a date `20240101-20240131`, `20240101-` and `-20240131` are ranges; values joined
    by commas are alternatives.

    Args:
        study: What a study has to be.
        series: What a series of it has to be.
        limit: At most so many studies.
    """

    study: Mapping[str, str] = field(default_factory=dict)
    series: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """From keywords and values, as a URL or command line has them.

        Raises:
            ConfigError: A keyword is unknown, or said twice.
        """
        study: dict[str, str] = {}
        series: dict[str, str] = {}
        limit = None
        for key, value in pairs:
            if key == "limit" and value.isdigit() and int(value):
                limit = int(value)
                continue
            if key not in _STUDY | _SERIES:
                raise ConfigError(key, "is nothing that studies or series are found by", _suggestion(key))
            if key in study or key in series:
                raise ConfigError(key, "is said twice", "Join the values by a comma.")
            (series if key in _SERIES else study)[key] = value
        return cls(study, series, limit)

    @property
    def sent_of_study(self) -> dict[str, str]:
        """What the archive is asked at the level of studies: what it can understand, the rest is checked here."""
        asked = dict(self.study)
        if "Modality" in self.series and "ModalitiesInStudy" not in asked:
            asked["ModalitiesInStudy"] = self.series["Modality"]
        return {key: value for key, value in asked.items() if value and "," not in value}

    @property
    def sent_of_series(self) -> dict[str, str]:
        """What the archive is asked at the level of series: what it tells of by itself is checked here."""
        return {key: value for key, value in self.series.items() if value and "," not in value and key not in _TOLD}

    def has_study(self, values: Mapping[str, str]) -> bool:
        """Whether a study is meant, whatever the archive made of the question; what it does not tell is believed."""
        return _matches(self.study, values)

    def has_series(self, values: Mapping[str, str]) -> bool:
        """Whether a series is meant; what holds no image only where its modality is asked for."""
        if "Modality" not in self.series and values.get("Modality", "") in _NOT_IMAGES:
            return False
        return _matches(self.series, values)


def _matches(wanted: Mapping[str, str], values: Mapping[str, str]) -> bool:
    return all(_alike(words.split(","), values[key].split("\\")) for key, words in wanted.items() if values.get(key))


def _alike(words: Sequence[str], values: Iterable[str]) -> bool:
    return any(_one(word.strip(), value) for value in values for word in words)


def _one(word: str, value: str) -> bool:
    if not word:
        return True
    if found := _RANGE.fullmatch(word):
        return (found[1] or "0") <= value[:8] <= (found[2] or "99999999")
    # Names and descriptions are matched without regard to case by most archives; brackets mean themselves.
    return fnmatchcase(value.upper().strip(), word.upper().replace("[", "[[]"))


def _suggestion(key: str) -> str:
    near = get_close_matches(key, sorted(_STUDY | _SERIES | {"limit"}), n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(_STUDY | _SERIES))}, limit."
