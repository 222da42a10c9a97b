"""The table of PS3.15: what we wrote down of it, and what becomes of an object that has all of it."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage
from tagged_objects import UID_ROOT, element, full_object, secret, tags, value, vr_of

from medseg.deidentify import Profile, table
from medseg.deidentify.header import Header
from medseg.deidentify.patient import Patient
from medseg.pseudonyms import Pseudonyms

KEY = Pseudonyms(bytes(range(32)))
DATES = ("DA", "DT", "TM")
PROFILES = st.builds(
    Profile,
    dates=st.sampled_from(["remove", "shift", "keep"]),
    keep=st.frozensets(st.sampled_from(["device", "patient", "institution"])),
    clean_descriptors=st.booleans(),
    safe_private=st.booleans(),
)


def cleaned(profile: Profile, sop_class: str = EnhancedCTImageStorage) -> Dataset:
    ds = full_object(sop_class)
    Header(profile, KEY, Patient.of(ds, KEY, named="institution" in profile.keep), sop_class).clean(ds)
    return ds


def letters(tag: int, profile: Profile) -> set[str]:
    """What the table asks for, options considered, in its own letters; where two options speak, both."""
    asked = set()
    dated = (vr_of(tag) in DATES and tag not in table.UNDATED) or tag in table.DATED_OTHERWISE
    if dated and profile.dates != "remove":
        asked.add("K" if profile.dates == "keep" else "C")
    if profile.clean_descriptors and tag in table.CLEANED:
        asked.add("C")
    if "device" in profile.keep and tag in table.DEVICE | table.DEVICE_CLEANED:
        asked.add("K" if tag in table.DEVICE else "C")
    if "patient" in profile.keep and tag in table.PATIENT | table.PATIENT_CLEANED:
        asked.add("K" if tag in table.PATIENT else "C")
    if "institution" in profile.keep and tag in table.INSTITUTION:
        asked.add("K")
    return asked or set(table.ACTIONS[tag].split("/"))


def fate(tag: int, ds: Dataset) -> str:
    """What became of an attribute, seen from outside."""
    if tag not in ds:
        return "removed"
    now = ds[tag]
    if now.is_empty:
        return "emptied"
    if now.VR == "SQ":
        text = now.to_json()
        hidden = all(word not in text for word in (secret(tag), f"V{tag:08X}", f"{UID_ROOT}.7.{tag}"))
        return "hidden" if hidden else "kept"
    return "kept" if now.value == element(tag).value else "hidden"


ALLOWED = {
    "K": {"kept", "hidden"},  # "hidden" of sequences only: their items are cleaned
    "C": {"hidden", "emptied", "removed"},
    "X": {"removed"},
    "Z": {"emptied", "hidden"},
    "D": {"hidden"},
    "U": {"hidden"},
    "U*": {"hidden"},
}


def check(tag: int, ds: Dataset, profile: Profile) -> None:
    asked = letters(tag, profile)
    found = fate(tag, ds)
    versions = tag in (0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07)
    if found == "kept" and "C" in asked and (vr_of(tag) == "TM" or versions or tag == 0x00080201):
        return  # times of day, offsets from UTC and versions of vocabularies stay when dates are shifted
    if found == "kept" and not asked & {"K"}:
        raise AssertionError(f"{tag:08X} {vr_of(tag)} is kept and the table says {asked}")
    if asked == {"K"} and vr_of(tag) != "SQ":
        assert found == "kept", f"{tag:08X} {vr_of(tag)} is {found} and the table says {asked}"
    assert any(found in ALLOWED[letter] for letter in asked), f"{tag:08X} {vr_of(tag)} is {found}, the table: {asked}"


def test_the_table_has_as_many_rows_as_the_standard():
    assert Counter(table.ACTIONS.values()) == {
        "D": 93, "Z": 42, "X": 413, "U": 55, "Z/D": 6, "X/Z": 11, "X/D": 23, "X/Z/D": 8, "X/Z/U*": 2,
    }  # fmt: skip
    assert len(table.ACTIONS) + len(("50xx", "60xx,3000", "60xx,4000", "private")) == 657


@pytest.mark.parametrize(
    ("tag", "action"),
    [
        (0x00080050, "Z"), (0x00080018, "U"), (0x00100010, "Z"), (0x00100020, "Z/D"), (0x00100030, "Z"),
        (0x00101010, "X"), (0x00181000, "X/Z/D"), (0x0008103E, "X"), (0x00080020, "Z"), (0x00080021, "X/D"),
        (0x00080022, "X/Z"), (0x00080023, "Z/D"), (0x0008002A, "X/Z/D"), (0x00081140, "X/Z/U*"), (0x0040A730, "D"),
        (0x00700001, "D"), (0x0040A123, "D"), (0x00380010, "X"), (0x300A00B2, "X/Z"), (0x30060009, "Z"),
        (0x30100077, "X/D"), (0x3004007F, "X"), (0x00200052, "U"), (0x00120062, None), (0x00080060, None),
    ],
)  # fmt: skip
def test_rows_read_by_hand(tag, action):
    assert table.ACTIONS.get(tag) == action


def test_options_name_only_rows_of_the_table_and_as_many_as_the_standard():
    lists = (table.CLEANED, table.DEVICE, table.DEVICE_CLEANED, table.PATIENT, table.PATIENT_CLEANED, table.INSTITUTION)
    assert [len(tags) for tags in lists] == [141, 48, 11, 14, 5, 10]
    assert all(tag in table.ACTIONS for tags in lists for tag in tags)
    dated = {tag for tag in table.ACTIONS if vr_of(tag) in DATES and tag not in table.UNDATED} | table.DATED_OTHERWISE
    assert len(dated) == 169
    assert len(table.DEVICE & dated) == 11


@pytest.mark.parametrize("sop_class", [EnhancedCTImageStorage, CTImageStorage], ids=["enhanced", "classic"])
def test_every_attribute_of_a_fully_tagged_object_fares_as_the_table_says(sop_class):
    profile = Profile()
    ds = cleaned(profile, sop_class)
    for tag in tags():
        check(tag, ds, profile)


def test_every_attribute_inside_a_sequence_fares_so_too():
    profile = Profile()
    inner = cleaned(profile).ReferencedSeriesSequence[0]
    for tag in tags():
        if tag not in (0x00080018, 0x0020000D, 0x0020000E):
            check(tag, inner, profile)


@settings(max_examples=30, deadline=None)
@given(PROFILES)
def test_every_attribute_fares_as_the_table_says_with_any_options(profile):
    ds = cleaned(profile)
    for tag in tags():
        check(tag, ds, profile)


@settings(max_examples=15, deadline=None)
@given(PROFILES.filter(lambda profile: not profile.keep))
def test_no_secret_word_and_no_uid_is_left_whatever_the_options(profile):
    text = cleaned(profile).to_json()
    assert "SECRET" not in text
    assert UID_ROOT not in text
    assert "GIVEN" not in text


@pytest.mark.parametrize("dates", ["remove", "shift"])
def test_no_date_is_left_unless_it_is_kept(dates):
    text = cleaned(Profile(dates=dates)).to_json()
    left = [tag for tag in tags() if str(value(tag))[:8] == "20190517" and str(value(tag)) in text]
    versions = {0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07} if dates == "shift" else set()
    ds = cleaned(Profile(dates=dates))
    assert {tag for tag in left if tag in ds and fate(tag, ds) == "kept"} == versions


def test_curves_overlays_and_unknown_private_data_go():
    ds = cleaned(Profile())
    assert not [tag for tag in ds if tag.tag.group % 2 or tag.tag.group >> 8 in (0x50, 0x60)]
