"""Dates that move, words that stay, names that are struck out, private values that are safe."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from medseg.deidentify.private import SAFE, is_safe, safe_tags
from medseg.deidentify.values import dummy, moved
from medseg.deidentify.words import cleaned, known_names, without

DAYS = st.integers(-3650, -1)
DATES = st.dates(date(1930, 1, 1), date(2030, 1, 1))


@given(DATES, DATES, DAYS)
def test_days_between_two_dates_stay(first, second, days):
    there = [moved("DA", f"{one:%Y%m%d}", days) for one in (first, second)]
    dates = [date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in there]
    assert dates[0] - dates[1] == first - second
    assert dates[0] == first + timedelta(days)


@given(st.datetimes(), st.sampled_from(["", "+0130", "-1100"]), st.integers(1, 6), DAYS)
def test_a_date_and_time_keeps_its_form_its_time_and_its_zone(moment, zone, digits, days):
    if moment.year < 1900:
        moment = moment.replace(year=1900 + moment.year % 100, day=1)
    text = f"{moment:%Y%m%d%H%M%S}.{moment.microsecond:06}"[: 15 + digits] + zone
    there = moved("DT", text, days)
    assert there is not None
    assert there[8:] == text[8:]
    assert there[:8] == f"{moment.date() + timedelta(days):%Y%m%d}"


@pytest.mark.parametrize(
    ("vr", "text", "there"),
    [
        ("DA", "2019.05.17", "20190516"), ("DA", " 20190101", "20181231"), ("DT", "2019", "2019"),
        ("DT", "201901", "201901"), ("TM", "123456.7", "123456.7"), ("TM", "12:34:56", "12:34:56"),
        ("SH", "+0100", "+0100"), ("DA", "Mueller", None), ("DA", "20190230", None), ("DA", "00010101", None),
        ("DT", "20190517 Mueller", None), ("TM", "noon", None), ("SH", "Basel", None),
    ],
)  # fmt: skip
def test_forms_of_dates(vr, text, there):
    assert moved(vr, text, -1) == there


def test_dummies_are_valid_values_of_their_kind():
    for vr in ("AS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UR", "CS", "AE", "LT", "UT"):
        item = Dataset()
        item.add_new(0x00100010, vr, dummy(vr))  # pydicom warns of what breaks the rules of a kind
        assert str(item[0x00100010].value)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CT Abdomen/Pelvis with contrast, Mr. Mueller", "CT Abdomen Pelvis with contrast"),
        ("T1 mprage sag 1.0mm p2 iso", "T1 mprage sag 1.0 mm iso"),
        ("Fu 12.03.1962 lung 5 mm", "lung 5 mm"),
        ("MRN 4711 L5 S1 B30f", "L5 S1 B30f"),
        ("born 1962-03-12, 57 y, chest", "chest"),
        ("Müller_head_3D", "head 3D"),
        ("Brown, liver", "liver"),
        ("", ""),
    ],
)
def test_descriptions_keep_harmless_words_only(text, left):
    assert cleaned(text) == left


def test_a_harmless_word_that_is_the_name_of_somebody_here_goes():
    assert cleaned("Head of Foot", {"foot"}) == "Head of"


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöü0123456789 ._-/:", max_size=60))
def test_cleaning_is_done_once(text):
    assert cleaned(cleaned(text)) == cleaned(text)


@given(st.text(alphabet="bcdfgh", min_size=8, max_size=12), st.sampled_from([" ", "_", "-", "^", ", "]))
def test_a_name_is_struck_out_wherever_it_stands(name, between):
    names = known_names([f"{name}^Anna"], ["4711-A"])
    text = f"Siemens{between}{name.title()}{between}x4711-A4711-A{between}4711-a"
    left = without(text, names)
    assert name not in left.lower().split(between.strip() or " ")
    assert left.startswith("Siemens")
    assert "x4711-A4711-A" in left


def test_short_names_and_digits_of_names_strike_nothing_out():
    assert known_names(["Li^Jo^12345"], ["12", "A-77881"]) == {"a-77881"}
    assert without("GE MEDICAL", known_names(["GE^X"], [])) == "GE MEDICAL"


def test_a_private_value_is_safe_only_in_its_form():
    assert is_safe("SIEMENS MR HEADER", 0x0019, 0x0C, "1000")
    assert is_safe("Philips PET Private Group", 0x7053, 0x00, b"0.000123 ")
    assert is_safe("SIEMENS MR HEADER", 0x0019, 0x0E, bytes(24))
    assert not is_safe("SIEMENS MR HEADER", 0x0019, 0x0C, "Mueller")
    assert not is_safe("SIEMENS MR HEADER", 0x0019, 0x0D, b"Mueller, Anna")
    assert not is_safe("SIEMENS MR HEADER", 0x0019, 0x0E, b"Mueller")
    assert not is_safe("SIEMENS CSA HEADER", 0x0029, 0x10, b"1")
    assert not is_safe("ACME", 0x0019, 0x0C, "1000")


def test_every_safe_attribute_is_found_in_its_block_wherever_that_lies():
    ds = Dataset()
    for at, (creator, group, element) in enumerate(sorted(SAFE)):
        block = ds.private_block(group, creator, create=True)
        vr = SAFE[creator, group, element]
        block.add_new(element, vr, "1" if vr in ("DS", "IS", "CS") else float(at) if vr in ("FL", "FD") else at)
    block = ds.private_block(0x0019, "ACME", create=True)
    block.add_new(0x0C, "IS", "1000")
    kept = safe_tags(ds)
    assert len([tag for tag in kept if tag & 0xFFFF >= 0x1000]) == len(SAFE)
    assert block.get_tag(0x0C) not in kept
