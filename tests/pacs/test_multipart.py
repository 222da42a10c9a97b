"""Multipart messages: what goes in comes out, however it is cut into chunks, and half of one is known as such."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.pacs.multipart import Related, TruncatedError, first_part

KIND = 'multipart/related; type="application/dicom"; boundary="mark"'


def _message(content: bytes) -> bytes:
    head = b"--mark\r\nContent-Type: application/dicom\r\n\r\n"
    return b"preamble\r\n" + head + content + b"\r\n--mark\r\nContent-Type: text/plain\r\n\r\nmore\r\n--mark--\r\n"


def _cut(whole: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(min(place, len(whole)) for place in at), len(whole)]
    return [whole[a:b] for a, b in pairwise(places)]


@given(st.binary(max_size=200), st.lists(st.integers(0, 400)))
def test_the_first_part_comes_out_however_it_is_cut(content, at):
    content = content.replace(b"\r\n--mark", b"")
    assert b"".join(first_part(_cut(_message(content), at), KIND)) == content


@given(st.binary(max_size=100), st.integers(0, 150))
def test_a_part_that_ends_early_is_never_taken_for_whole(content, length):
    content = content.replace(b"\r\n--mark", b"").replace(b"--mark", b"")
    whole = _message(content)
    end = whole.index(b"\r\n--mark\r\nContent-Type: text/plain") + len(b"\r\n--mark")
    with pytest.raises(TruncatedError):
        b"".join(first_part([whole[: min(length, end - 1)]], KIND))


def test_a_message_of_another_kind_is_its_content():
    assert b"".join(first_part([b"DI", b"CM"], "application/dicom")) == b"DICM"


def test_what_is_written_can_be_read_and_has_its_length(tmp_path):
    for name, content in (("a", b"first"), ("b", b"second" * 1000)):
        (tmp_path / name).write_bytes(content)
    body = Related([tmp_path / "a", tmp_path / "b"])
    whole = b"".join(body)
    assert len(whole) == len(body)
    assert b"".join(body) == whole  # it can be sent again
    assert b"".join(first_part([whole], body.content_type)) == b"first"
