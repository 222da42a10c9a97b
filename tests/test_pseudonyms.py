"""Pseudonyms: stable with their key, apart from their originals, and the key file that nobody else reads."""

import hashlib
import re
import stat
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import ConfigError, InputError, OutputError, UnreadableFileError
from medseg.pseudonyms import Pseudonyms

KEY = Pseudonyms(bytes(range(32)))
ids = st.text(min_size=1, max_size=40).filter(lambda text: text.strip(" \0"))


def hmac_by_hand(key: bytes, message: bytes) -> bytes:
    """RFC 2104 in its own words, for keys of 32 bytes."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


@given(ids, ids)
def test_two_values_have_two_pseudonyms_that_are_safe_as_names(one, other):
    first, second = KEY.of("case", one), KEY.of("case", other)
    alike = [unicodedata.normalize("NFC", text).strip(" \0") for text in (one, other)]
    assert re.fullmatch("[a-z2-7]{16}", first)
    assert (first == second) == (alike[0] == alike[1])
    assert first != KEY.of("patient", one) != Pseudonyms(bytes(32)).of("patient", one)


def test_it_is_the_hmac_of_kind_and_value():
    number = int.from_bytes(hmac_by_hand(KEY.key, b"patient\0Doe^Jane")[:10])
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    by_hand = "".join(letters[number >> shift & 31] for shift in range(75, -1, -5))
    assert KEY.of("patient", " Doe^Jane ") == by_hand


@given(ids)
def test_a_uid_is_one_of_a_uuid(uid):
    from uuid import RFC_4122, UUID

    found = KEY.uid(uid)
    assert len(found) <= 64
    assert found.startswith("2.25.")
    uuid = UUID(int=int(found.removeprefix("2.25.")))
    assert uuid.version == 8
    assert uuid.variant == RFC_4122


@given(ids)
def test_dates_move_back_by_less_than_ten_years(patient):
    assert -3650 <= KEY.days(patient) <= -1


def test_what_is_empty_stays_empty():
    assert KEY.of("patient", "  ") == KEY.uid("") == ""


def test_a_key_is_made_once_for_its_owner_and_never_shown(tmp_path):
    made = Pseudonyms.from_file(tmp_path / "keys" / "study.key")
    assert Pseudonyms.from_file(tmp_path / "keys" / "study.key") == made
    assert stat.S_IMODE((tmp_path / "keys" / "study.key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["study.key"]
    assert made.key.hex() not in repr(made)
    assert str(made.key) not in repr(made)
    assert Pseudonyms.from_file(tmp_path / "other.key") != made


def test_a_key_in_the_results_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(ConfigError, match="would lie in"):
        Pseudonyms.from_file(tmp_path / "link" / "deep" / "key", apart_from=[tmp_path / "out"])
    assert not (tmp_path / "out").exists()


def test_a_key_that_others_read_is_refused(tmp_path):
    Pseudonyms.from_file(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        Pseudonyms.from_file(tmp_path / "key")


@pytest.mark.parametrize(
    "content", [b"", b"medseg pseudonyms 1\nabc\n", b"\xff\n", b"medseg pseudonyms 9\n" + b"00" * 32]
)
def test_a_file_that_is_no_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(UnreadableFileError, match="key"):
        Pseudonyms.from_file(tmp_path / "key")


def test_a_key_that_is_missing_or_cannot_be_made_is_told(tmp_path):
    with pytest.raises(UnreadableFileError, match="No such file"):
        Pseudonyms.from_file(tmp_path / "key", create=False)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        Pseudonyms.from_file(tmp_path / "file" / "key")
