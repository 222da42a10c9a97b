"""Pieces of pages about scores."""

from medseg.outputs.page_tables import said_once


def test_what_all_notes_have_in_common_is_said_once():
    assert said_once(["a; b", "b; c", "b"]) == (["b"], ["a", "c", ""])
    assert said_once(["", "b"]) == ([], ["", "b"])
    assert said_once(["b"]) == ([], ["b"])
    assert said_once([]) == ([], [])
