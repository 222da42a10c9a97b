"""Codes of labels: the table against DICOM's own dictionary, names, sides, and the way through a config."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr._concepts_dict import concepts

from medseg.codes import SIDES, STRUCTURES, Code, Coding, coding_of
from medseg.codes.table import CATEGORIES
from medseg.errors import LabelError
from medseg.labels import Labels

KNOWN = {
    (code, meaning) for coded in concepts["SCT"].values() for code, (meaning, _groups) in coded.items()
}  # what PS3.16 lists, as pydicom has it
LEFT = SIDES["left"]


def test_every_code_of_the_table_is_one_of_dicom():
    listed = [(one.code, one.meaning) for one in STRUCTURES]
    listed += [*CATEGORIES.values(), *((side.value, side.meaning) for side in SIDES.values())]
    assert [one for one in listed if one not in KNOWN] == []


def test_no_name_stands_for_two():
    names = [name for one in STRUCTURES for name in one.names]
    assert len(names) == len(set(names))
    assert all(name == name.casefold() for name in names)


@pytest.mark.parametrize(
    ("name", "type_", "side", "region", "region_side"),
    [
        ("liver", "Liver", None, None, None),
        ("Kidney_Left", "Kidney", "Left", None, None),
        ("left-kidney", "Kidney", "Left", None, None),
        ("lungs both", "Lung", "Bilateral", None, None),
        ("left ventricle", "Left ventricle", None, None, None),
        ("liver tumour", "Neoplasm", None, "Liver", None),
        ("lung_upper_lobe_right nodule", "Nodule", None, "Upper lobe of lung", "Right"),
        ("pleural effusion left", "Pleural effusion", "Left", None, None),
    ],
)
def test_a_name_says_what_where_and_on_which_side(name, type_, side, region, region_side):
    found = coding_of(name)
    parts = (found.type, found.modifier, found.region, found.region_modifier)
    assert [None if part is None else part.meaning for part in parts] == [type_, side, region, region_side]
    kind = "anatomy" if region is None and type_ != "Pleural effusion" else "finding"
    assert found.category == Code("SCT", *CATEGORIES[kind])


@pytest.mark.parametrize(
    "name", ["label 1", "left", "left right lung", "liver kidney", "tumor liver", "", "foreground"]
)
def test_what_the_table_lacks_is_not_guessed(name):
    assert coding_of(name) is None


def test_codes_are_said_by_a_name_of_the_table_or_in_full():
    labels = Labels.from_config(
        {
            "a": 1,
            "b": 2,
            "c": 3,
            "liver": 4,
            "codes": {
                "a": "left lung nodule",
                "b": {"category": ["SCT", "85756007", "Tissue"], "type": ["99X", "1", "Odd"], "region": "left breast"},
                "c": {"type": "kidney", "modifier": "left"},
            },
        }
    )
    a, b, c, liver = (one.coding for one in labels.labels)
    assert a == coding_of("left lung nodule")
    assert b == Coding(
        Code("99X", "1", "Odd"), Code("SCT", "85756007", "Tissue"), None, Code("SCT", "76752008", "Breast"), LEFT
    )
    assert c == coding_of("kidney left")
    assert liver == coding_of("liver")
    assert labels.uncoded == ()
    assert Labels.from_config(labels.to_config()) == labels


def test_labels_without_a_code_are_named():
    labels = Labels.from_config({"lesion": 1, "foreground": 2, "x": 3, "codes": {"x": {"type": ["A", "1", "B"]}}})
    assert labels.uncoded == ("foreground", "x")  # a type without its category is not enough


def test_a_label_may_still_be_called_codes():
    assert Labels.from_config({"codes": 1}).names == ("codes",)


@pytest.mark.parametrize(
    "said",
    [
        "no such thing",
        {},
        {"category": ["SCT", "1", "x"]},
        {"type": ["SCT", "1"]},
        {"type": ["SCT", "", "x"]},
        {"type": ["SCT", "1", "x" * 65]},
        {"type": "liver", "modifier": "upward"},
        {"type": "liver", "where": "left"},
        7,
    ],
)
def test_what_is_no_code_is_refused_by_the_labels_name(said):
    with pytest.raises(LabelError, match=r"codes\.a"):
        Labels.from_config({"a": 1}).with_codes({"a": said})


def test_codes_of_no_label_are_refused():
    with pytest.raises(LabelError, match="among no labels"):
        Labels.from_config({"a": 1, "codes": {"b": "liver"}})


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
codes = st.builds(Code, words, words, words)


@given(st.builds(Coding, codes, *[st.none() | codes] * 4))
def test_codes_come_through_a_config_as_they_were(coding):
    assert Coding.from_config(coding.to_config()) == coding
