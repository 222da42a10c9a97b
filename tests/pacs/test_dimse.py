"""DIMSE with a real server: echo, find, get, move and store, and what it says when that cannot be."""

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless
from pynetdicom import AE

from medseg.errors import ArchiveError
from medseg.pacs.fetching import fetch_study
from medseg.pacs.nodes import Node
from medseg.pacs.opening import open_archive
from medseg.pacs.query import Query
from medseg.pacs.sending import send_missing


def _with(node: Node, **changes: object) -> Node:
    assert node.dimse is not None
    return node.model_copy(update={"dimse": node.dimse.model_copy(update=changes)})


def _one(studies: Path, patient: str) -> tuple[str, dict[str, Path]]:
    found = {pydicom.dcmread(path).SOPInstanceUID: path for path in sorted((studies / patient).glob("*.dcm"))}
    return pydicom.dcmread(next(iter(found.values()))).StudyInstanceUID, found


@pytest.mark.parametrize("get", [True, False], ids=["C-GET", "C-MOVE"])
def test_what_is_stored_is_found_and_fetched_again(orthanc, node, studies, tmp_path, get):
    archive = open_archive(_with(node, get=get), "dimse")
    assert "answers" in archive.echo()
    sent = send_missing(archive, sorted(studies.rglob("*.dcm")))
    assert (len(sent.taken), sent.there, sent.refused) == (16, [], {})
    assert len(send_missing(archive, sorted(studies.rglob("*.dcm"))).there) == 16
    assert len(orthanc.found()) == 16
    found = archive.studies(Query.of([("StudyDate", "20240102-20240103"), ("Modality", "CT")]))
    assert sorted(one.values["PatientID"] for one in found) == ["PAT0001", "PAT0002"]
    study, files = _one(studies, "PAT0001")
    assert study in {one.uid for one in found}
    got = fetch_study(archive, study, Query(), tmp_path / "study", tmp_path / "quarantine")
    assert (got.files, got.new, got.broken) == (4, 4, {})
    for path in got.folder.rglob("*.dcm"):
        came, was = pydicom.dcmread(path), pydicom.dcmread(files[path.stem])
        assert came == was
        assert came.file_meta.TransferSyntaxUID == was.file_meta.TransferSyntaxUID
    assert fetch_study(archive, study, Query(), tmp_path / "study", tmp_path / "quarantine").new == 0


def test_an_archive_that_does_not_tell_kinds_is_asked_for_the_usual_ones(orthanc, node, studies, tmp_path, monkeypatch):
    archive = open_archive(node, "dimse")
    send_missing(archive, sorted((studies / "PAT0000").glob("*.dcm")))
    told = type(archive)._kinds
    monkeypatch.setattr(type(archive), "_kinds", lambda *asked: dict.fromkeys(told(*asked), ""))
    study, files = _one(studies, "PAT0000")
    got = fetch_study(archive, study, Query(), tmp_path / "study", tmp_path / "quarantine")
    assert {path.stem for path in got.folder.rglob("*.dcm")} == set(files)


def test_a_wrong_ae_title_is_told(orthanc, node):
    with pytest.raises(ArchiveError, match=r"rejects us as MEDSEG .*[Cc]alled AE"):
        open_archive(_with(node, ae="ANOTHER"), "dimse").echo()


# pynetdicom leaves the socket of a connection that was refused to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_is_gone_is_told(orthanc, node):
    orthanc.stop()
    with pytest.raises(ArchiveError, match=r"cannot be reached .*refused"):
        open_archive(node, "dimse", wait=lambda seconds: None).echo()


def test_a_transfer_syntax_that_the_archive_does_not_take_is_refused_by_name(orthanc, studies, tmp_path):
    path = sorted((studies / "PAT0000").glob("*.dcm"))[0]
    found = pydicom.dcmread(path)
    found.compress(pydicom.uid.RLELossless)
    found.file_meta.TransferSyntaxUID = JPEG2000Lossless
    found.save_as(tmp_path / "odd.dcm")
    entity = AE("PLAIN")
    entity.add_supported_context(found.SOPClassUID, [pydicom.uid.ExplicitVRLittleEndian])
    server = entity.start_server(("127.0.0.1", 11113), block=False)
    try:
        plain = Node.model_validate({"name": "plain", "dimse": {"host": "127.0.0.1", "port": 11113, "ae": "PLAIN"}})
        sent = send_missing(open_archive(plain, wait=lambda seconds: None), [tmp_path / "odd.dcm"])
    finally:
        server.shutdown()
    (error,) = sent.refused.values()
    assert "JPEG 2000" in str(error)
