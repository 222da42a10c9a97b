"""Options that would do nothing as they are given are refused, with a word on what to do, before anything is done."""

import pytest
from typer.testing import CliRunner

from medseg.cli import app
from medseg.errors import ConfigError


def refusal(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(done.exception, ConfigError), done.output
    return str(done.exception)


@pytest.mark.parametrize(
    ("words", "idle", "mend"),
    [
        ("--once", "--once", "or give --watch"),
        ("--quiet 30s", "--quiet", "or give --watch"),  # its default, but said
        ("--once --quiet 1min", "--quiet, --once", "Leave them out, or give --watch"),
        ("--nodes nodes.yaml", "--nodes", "or give an archive as INPUTS"),
        ("--cache 1GiB", "--cache", "or give an archive as INPUTS"),
        ("--store", "--store", "medseg pacs store NODE OUT"),
        ("--codes codes.yaml", "--codes", "or give --write"),
        ("--seg BINARY", "--seg", "or give --write"),
        ("--segments region", "--segments", "or give --write"),
        ("--write rtstruct --segments region", "--segments", "or give seg in --write"),
        ("--masks-only --parquet", "--masks-only", "Leave one of them out"),
        ("--masks-only --min-voxels 5", "--masks-only", "Leave one of them out"),
        ("--redo --redo-case a", "--redo", "Leave one of them out"),
        ("--cluster tcp://127.0.0.1:1 --jobs 2", "--cluster tcp://127.0.0.1:1", "Leave one of them out"),
    ],
)
def test_what_predict_would_ignore_is_refused(tmp_path, words, idle, mend):
    out = tmp_path / "out"
    told = refusal("predict", "classical:otsu", tmp_path, "--out", out, *words.split())
    assert told.startswith(f"{idle}: ")
    assert mend in told
    assert not out.exists()


def test_what_status_and_listen_would_ignore_is_refused(tmp_path):
    pytest.importorskip("pynetdicom")
    assert "or give --live" in refusal("status", tmp_path, "--every", 3)
    listen = ("listen", "classical:otsu", "--out", tmp_path / "out", "--ae", "A", "--allow", "B")
    assert "or give --send" in refusal(*listen, "--nodes", tmp_path / "nodes.yaml")
    assert "or give --write" in refusal(*listen, "--seg", "LABELMAP")
    assert not (tmp_path / "out").exists()
