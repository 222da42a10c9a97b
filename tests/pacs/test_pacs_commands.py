"""`medseg pacs`, and a batch from an archive, as a user types them."""

import json
from pathlib import Path

import pandas as pd
import pytest
from archived_results import fill
from typer.testing import CliRunner

from medseg.cli import app
from medseg.errors import ConfigError, MedsegError
from medseg.workflow.pacs import remote_source


@pytest.fixture
def nodes(orthanc, node, tmp_path) -> Path:
    """A file of nodes."""
    web = {"url": orthanc.url, "user": "medseg", "password_file": "password"}
    dimse = {"host": "127.0.0.1", "port": orthanc.dicom, "ae": "ORTHANC"}
    path = tmp_path / "nodes.yaml"
    path.write_text(json.dumps({"hospital": {"web": web, "dimse": dimse}}))
    return path


def _medseg(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("way", ["web", "dimse"])
def test_there_and_back(nodes, studies, tmp_path, way):
    more = ("--nodes", nodes, "--way", way)
    assert "answers" in _medseg("pacs", "echo", "hospital", *more)
    assert "16 files stored, 0 were there" in _medseg("pacs", "store", "hospital", studies, *more)
    assert "0 files stored, 16 were there" in _medseg("pacs", "store", "hospital", studies, *more)
    rows = json.loads(_medseg("pacs", "query", "hospital", "StudyDate=-20240102", "--series", "--json", *more))
    assert sorted(row["PatientID"] for row in rows) == ["PAT0000", "PAT0001"]
    assert {row["Modality"] for row in rows} == {"CT"}
    asked = ("pacs", "fetch", "hospital", "PatientID=PAT000[01]", "--out", tmp_path / "none")
    assert "0 studies" in _medseg(*asked, *more)  # brackets are no pattern
    told = _medseg("pacs", "fetch", "hospital", "PatientID=PAT000?", "--out", tmp_path / "studies", *more)
    assert "4 studies, 16 files" in told
    assert len(list((tmp_path / "studies").rglob("*.dcm"))) == 16
    with pytest.raises(ConfigError, match="no condition"):
        _medseg("pacs", "fetch", "hospital", "--out", tmp_path / "all", *more)


def test_a_batch_under_pseudonyms_leaves_no_name(orthanc, nodes, studies, tmp_path):
    fill(orthanc, studies)
    out, key = tmp_path / "out", tmp_path / "keys" / "key"
    key.parent.mkdir()
    words = ("predict", "classical:otsu", f"dicomweb+{orthanc.url}?Modality=CT", "--out", out, "--jobs", 0)
    told = _medseg(*words, "--pseudonyms", key, "--nodes", nodes)
    assert "4 of 4 cases of 4 studies" in told
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/mask.nii.gz")}
    assert len(before) == 4
    _medseg(*words, "--pseudonyms", key, "--nodes", nodes)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    study = json.loads(_medseg("pacs", "query", "hospital", "--json", "--nodes", nodes))
    secret = {value.encode() for row in study for value in (row["PatientID"], row["StudyInstanceUID"])}
    for path in out.rglob("*"):
        assert not any(word in str(path.name).encode() for word in secret)
        content = path.read_bytes() if path.is_file() else b""
        assert not [word for word in secret if word in content], path
    assert not any(word.decode() in told for word in secret)
    assert len(pd.read_csv(out / "cases.csv")) == 4


def test_a_batch_from_a_node_that_speaks_dimse_alone(orthanc, studies, tmp_path):
    fill(orthanc, studies)
    (tmp_path / "codes.yaml").write_text("foreground: lesion\n")
    nodes = tmp_path / "old.yaml"
    nodes.write_text(f"old: {{dimse: {{host: 127.0.0.1, port: {orthanc.dicom}, ae: ORTHANC}}}}\n")
    words = ("predict", "classical:otsu", "pacs:old?Modality=CT&StudyDate=-20240102", "--out", tmp_path / "out")
    more = ("--jobs", 0, "--write", "seg", "--codes", tmp_path / "codes.yaml", "--store", "--nodes", nodes)
    assert "2 results stored, 0 were there" in _medseg(*words, *more)
    assert "0 results stored, 0 were there" in _medseg(*words, *more)
    assert len(orthanc.found(Modality="SEG")) == 2


def test_a_dry_run_tells_what_is_there_and_what_is_done_and_fetches_nothing(orthanc, nodes, studies, tmp_path):
    fill(orthanc, studies)
    out, more = tmp_path / "out", ("--jobs", 0, "--nodes", nodes)

    def foreseen(*words: object, asked: str = "Modality=CT") -> dict:
        return json.loads(
            _medseg(
                "predict",
                "classical:otsu",
                f"pacs:hospital?{asked}",
                "--out",
                out,
                *more,
                "--dry-run",
                "--json",
                *words,
            )
        )

    told = foreseen()
    assert not out.exists()
    rows = told.pop("rows")
    assert told == {"studies": 4, "studies_to_do": 4, "series_to_do": 4, "instances_to_do": 16}
    assert {(row["state"], row["Modality"], row["instances"]) for row in rows} == {("to do", "CT", "4")}
    assert not foreseen(asked="PatientID=NOBODY")["rows"]
    first = ("predict", "classical:otsu", "pacs:hospital?Modality=CT&StudyDate=-20240102", "--out", out, *more)
    _medseg(*first)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    told = foreseen()
    assert (told["studies"], told["studies_to_do"], told["instances_to_do"]) == (4, 2, 8)
    assert sorted(row["PatientID"] for row in told["rows"] if row["state"] == "done") == ["PAT0000", "PAT0001"]
    assert foreseen("--redo")["studies_to_do"] == 4
    case = pd.read_csv(out / "cases.csv")["case"][0]
    assert foreseen("--redo-case", case)["studies_to_do"] == 3
    assert foreseen("--min-voxels", 9)["studies_to_do"] == 4  # other options do everything anew
    assert "2 studies, 0 to do: 0 series, 0 instances" in _medseg(*first, "--dry-run")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_what_has_no_meaning_for_an_archive_is_refused(orthanc, nodes, tmp_path):
    words = ("predict", "classical:otsu", f"dicomweb+{orthanc.url}?Modality=CT", "--out", tmp_path, "--nodes", nodes)
    for option in ("--watch", "--json", "--part=test", "--store", "--dry-run --part=test", "--dry-run --watch"):
        with pytest.raises(ConfigError, match=option.split("=")[0].split()[-1]):
            _medseg(*words, *option.split())
    with pytest.raises(ConfigError, match="tells of patients by their names"):
        _medseg(*words, "--dry-run", "--pseudonyms", tmp_path / "key")
    with pytest.raises(MedsegError, match="Did you mean Modality"):
        _medseg(*words[:2], f"dicomweb+{orthanc.url}?Modalty=CT", *words[3:])
    with pytest.raises(ConfigError, match="--store"):
        _medseg("predict", "classical:otsu", tmp_path, "--out", tmp_path / "out", "--store")


def test_a_url_keeps_its_slashes_as_a_path():
    source = remote_source([Path("dicomweb+https://host/dicom-web?Modality=CT&StudyDate=20240101-&limit=3")])
    assert source is not None
    url, asked = source
    assert url == "dicomweb+https://host/dicom-web"
    assert asked.series == {"Modality": "CT"}
    assert asked.study == {"StudyDate": "20240101-"}
    assert asked.limit == 3
    assert remote_source(["a folder"]) is None
