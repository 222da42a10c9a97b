"""Walking of trees in which folders are linked: each is visited once, and none is left out."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.walking import walked


def _files(root: Path) -> list[str]:
    return [(folder / name).relative_to(root).as_posix() for folder, names in walked(root) for name in names]


def _write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)


@given(st.sets(st.text("ab", min_size=1, max_size=4), max_size=6))
@settings(max_examples=25, deadline=None)
def test_without_links_it_is_os_walk(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    root = tmp_path_factory.mktemp("tree")
    _write(*(root.joinpath(*name).with_suffix(".x") for name in names))
    expected = {Path(folder, name) for folder, _inner, files in os.walk(root) for name in files}
    found = [folder / name for folder, names in walked(root) for name in names]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_linked_folder_is_walked_under_the_name_of_the_link(tmp_path: Path) -> None:
    _write(tmp_path / "store/7/scan/1", tmp_path / "in/own/1")
    (tmp_path / "in/linked").symlink_to(tmp_path / "store/7")
    assert _files(tmp_path / "in") == ["linked/scan/1", "own/1"]


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    _write(tmp_path / "store/7/1", tmp_path / "store/8/1", tmp_path / "in/own/1")
    (tmp_path / "in/linked").symlink_to(tmp_path / "store/7")
    (tmp_path / "in/own/top").symlink_to(tmp_path / "in")
    (tmp_path / "in/own/here").symlink_to(".")
    (tmp_path / "in/own/above").symlink_to(tmp_path)
    (tmp_path / "store/7/up").symlink_to("..")  # to all that is stored, of which one study was linked
    assert _files(tmp_path / "in") == ["linked/1", "own/1"]


def test_a_folder_that_two_links_lead_to_is_visited_once(tmp_path: Path) -> None:
    _write(tmp_path / "store/7/deep/1", tmp_path / "in/z/1")
    for name, target in (("a", "store/7/deep"), ("b", "store/7"), ("c", "store/7"), ("d", "in/z")):
        (tmp_path / "in" / name).symlink_to(tmp_path / target)
    assert _files(tmp_path / "in") == ["a/1", "z/1"]


def test_a_store_that_is_hidden_in_the_tree_is_seen_through_its_links(tmp_path: Path) -> None:
    _write(tmp_path / ".store/abc/1")
    (tmp_path / "study").symlink_to(".store/abc")
    assert _files(tmp_path) == ["study/1"]


def test_a_link_that_leads_nowhere_is_a_file_and_a_locked_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    told: list[OSError] = []
    assert [names for _folder, names in walked(tmp_path / "absent", told.append)] == []
    assert [type(error) for error in told] == [FileNotFoundError]
    assert _files(tmp_path) == ["gone"]
