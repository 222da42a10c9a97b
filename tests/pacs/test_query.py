"""What a user asks of an archive."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import ConfigError
from medseg.pacs.query import Query

DATES = st.dates(date(1950, 1, 1), date(2050, 1, 1)).map(lambda day: day.strftime("%Y%m%d"))


@given(DATES, DATES, DATES)
def test_a_range_of_dates_holds_those_between(first, last, day):
    def means(text: str) -> bool:
        return Query.of([("StudyDate", text)]).has_study({"StudyDate": day})

    assert means(f"{first}-{last}") == (first <= day <= last)
    assert means(f"{first}-") == (first <= day)
    assert means(f"-{last}") == (day <= last)
    assert means(day)


@pytest.mark.parametrize(
    ("asked", "value", "means"),
    [
        ("CT", "CT", True),
        ("CT,MR", "MR", True),
        ("CT", "CTA", False),
        ("ct*", "CT thorax", True),
        ("*LIVER?", "ct Liver2", True),
        ("[CT]", "C", False),
        ("[CT]", "[ct]", True),
    ],
)
def test_a_description_is_matched_as_archives_do(asked, value, means):
    assert Query.of([("SeriesDescription", asked)]).has_series({"SeriesDescription": value}) == means


def test_what_an_archive_does_not_tell_is_believed():
    assert Query.of([("StudyDescription", "liver")]).has_study({"StudyDate": "20240101"})


def test_a_study_of_several_modalities_has_each():
    asked = Query.of([("Modality", "PT")])
    assert asked.sent_of_study == {"ModalitiesInStudy": "PT"}
    assert Query.of([("ModalitiesInStudy", "PT")]).has_study({"ModalitiesInStudy": "CT\\PT"})


def test_series_without_images_are_left_unless_they_are_asked_for():
    assert not Query().has_series({"Modality": "SEG"})
    assert Query().has_series({"Modality": "CT"})
    assert Query.of([("Modality", "SEG")]).has_series({"Modality": "SEG"})


def test_alternatives_are_not_sent_but_applied():
    asked = Query.of([("PatientID", "A,B"), ("Modality", "CT,MR"), ("StudyDate", "20240101-")])
    assert asked.sent_of_study == {"StudyDate": "20240101-"}
    assert asked.has_study({"PatientID": "B"})
    assert not asked.has_study({"PatientID": "C"})


def test_an_unknown_or_repeated_keyword_is_refused():
    with pytest.raises(ConfigError, match="Did you mean PatientID"):
        Query.of([("PatientId", "A")])
    with pytest.raises(ConfigError, match="twice"):
        Query.of([("PatientID", "A"), ("PatientID", "B")])
