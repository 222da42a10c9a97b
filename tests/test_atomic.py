"""Files appear whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medseg.atomic import atomic_path, json_text, write_csv, write_json
from medseg.errors import OutputError


def test_a_finished_file_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "new" / "folder" / "a.txt"
    for text in ("first", "second"):
        with atomic_path(target) as temporary:
            temporary.write_text(text)
            assert temporary.parent == target.parent
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="midway"), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise ValueError("midway")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("name", "ending"), [("m.nii.gz", ".nii.gz"), ("case.1.png", ".png"), ("v1.2/run.json", ".json")]
)
def test_the_temporary_name_keeps_the_ending_by_which_writers_choose(tmp_path, name, ending):
    with atomic_path(tmp_path / name) as temporary:
        assert temporary.name.endswith(ending)
        assert temporary.name.startswith(".")
        temporary.write_text("x")


def test_a_file_gets_the_permissions_that_open_gives(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "ours") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/a\.csv: cannot be written"), atomic_path(tmp_path / "file" / "a.csv"):
        pytest.fail("the block must not run")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder: cannot be written"):
        write_json(tmp_path / "folder", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_table_has_stable_bytes_and_keeps_ids_and_counts(tmp_path):
    frame = pd.DataFrame({"case": ["007", "a,b"], "voxels": [12345678, 2], "x": [0.1 + 0.2, np.nan], "k": [1, None]})
    frame["k"] = frame["k"].astype("Int64")
    write_csv(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_bytes() == b'case,voxels,x,k\n007,12345678,0.3,1\n"a,b",2,,\n'


def test_json_is_sorted_and_has_null_for_what_is_no_number(tmp_path):
    content = {"b": np.float32(0.5), "a": [float("nan"), np.int64(3), Path("x/y")], "c": np.array([[1, 2]]), "ü": True}
    write_json(tmp_path / "t.json", content)
    text = (tmp_path / "t.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [None, 3, "x/y"], "b": 0.5, "c": [[1, 2]], "ü": True}
    assert text.index('"a"') < text.index('"b"')
    assert text == json_text(content) + "\n"
    with pytest.raises(TypeError):
        json_text({"a": object()})
