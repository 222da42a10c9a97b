"""DICOMweb with a real server: what is found, fetched and stored, and what it says when that cannot be."""

import json
import threading
import time
from contextlib import suppress

import pydicom
import pytest
from archived_results import fill
from certificates import write_certificates
from dicomweb_client import DICOMwebClient
from orthanc_server import PASSWORD, USER
from requests.auth import HTTPBasicAuth
from small_studies import tags_of
from tcp_front import Front, standing_before

from medseg.errors import ArchiveError, ConfigError
from medseg.pacs.archive import Place
from medseg.pacs.fetching import fetch_study
from medseg.pacs.nodes import Node, read_nodes
from medseg.pacs.opening import open_archive
from medseg.pacs.query import Query


def _with(node: Node, **changes: object) -> Node:
    assert node.web is not None
    return node.model_copy(update={"web": node.web.model_copy(update=changes)})


def test_studies_are_found_by_patient_date_modality_and_description(orthanc, node, studies):
    fill(orthanc, studies)
    archive = open_archive(node)
    assert "answers" in archive.echo()

    def patients(**asked: str) -> list[str]:
        return sorted(one.values["PatientID"] for one in archive.studies(Query.of(asked.items())))

    assert patients() == [tags_of(number).patient for number in range(4)]
    assert patients(PatientID="PAT0002") == ["PAT0002"]
    assert patients(PatientID="PAT0001,PAT0003") == ["PAT0001", "PAT0003"]
    assert patients(StudyDate="20240102-20240103") == ["PAT0001", "PAT0002"]
    assert patients(StudyDate="20240103-", Modality="CT") == ["PAT0002", "PAT0003"]
    assert patients(Modality="MR") == []
    assert len(archive.studies(Query.of([("limit", "2")]))) == 2
    (study,) = archive.studies(Query.of([("PatientID", "PAT0000")]))
    (series,) = archive.series(study.uid)
    assert series.values["SeriesDescription"] == tags_of(0).description
    assert Query.of([("SeriesDescription", "THI*")]).has_series(series.values)
    assert not Query.of([("SeriesDescription", "thick*")]).has_series(series.values)


@pytest.mark.parametrize("way", ["web", "dimse"])
def test_conditions_that_archives_tell_nothing_of_by_themselves_are_kept(orthanc, node, studies, tmp_path, way):
    for number, (laterality, sex) in enumerate([("L", "F"), ("R", "M")]):
        one = pydicom.dcmread(sorted((studies / f"PAT000{number}").glob("*.dcm"))[0])
        one.Laterality, one.PatientSex, one.ReferringPhysicianName = laterality, sex, f"Doctor{number}"
        one.save_as(tmp_path / "one.dcm")
        orthanc.put((tmp_path / "one.dcm").read_bytes())
    archive = open_archive(node, way)

    def patients(**asked: str) -> list[str]:
        query = Query.of(asked.items())
        return [
            one.values["PatientID"]
            for one in archive.studies(query)
            if any(query.has_series(series.values) for series in archive.series(one.uid, query))
        ]

    assert patients(Laterality="R") == ["PAT0001"]
    assert patients(PatientSex="F,O") == ["PAT0000"]
    assert patients(ReferringPhysicianName="Doctor1,Doctor2") == ["PAT0001"]


def test_what_is_fetched_is_what_was_stored_and_is_fetched_once(orthanc, node, studies, tmp_path):
    files = fill(orthanc, studies)
    archive = open_archive(node)
    (study,) = archive.studies(Query.of([("PatientID", "PAT0001")]))
    sent = {pydicom.dcmread(path).SOPInstanceUID: path.read_bytes() for path in files if path.parent.name == "PAT0001"}
    first = fetch_study(archive, study.uid, Query(), tmp_path / "study", tmp_path / "quarantine")
    assert (first.files, first.new, first.broken) == (4, 4, {})
    came = {path.stem: path for path in first.folder.rglob("*.dcm")}
    assert {uid: path.read_bytes() for uid, path in came.items()} == sent
    times = {uid: path.stat().st_mtime_ns for uid, path in came.items()}
    kept = next(iter(came.values()))
    kept.unlink()
    again = fetch_study(archive, study.uid, Query(), tmp_path / "study", tmp_path / "quarantine")
    assert (again.files, again.new) == (4, 1)
    assert {uid: path.stat().st_mtime_ns for uid, path in came.items()} == times  # time stands for content
    assert not list(first.folder.rglob(".*"))


def test_what_is_stored_is_found_by_another_client(orthanc, node, studies):
    archive = open_archive(node)
    files = sorted((studies / "PAT0002").glob("*.dcm"))
    one = pydicom.dcmread(files[0])
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in files}
    assert archive.holds(one.StudyInstanceUID, one.SeriesInstanceUID, sorted(uids)) == set()
    told = archive.store(one.StudyInstanceUID, files)
    assert (told.taken, told.refused) == (uids, {})
    assert archive.holds(one.StudyInstanceUID, one.SeriesInstanceUID, sorted(uids)) == uids
    assert archive.store(one.StudyInstanceUID, files[:1]).taken <= uids  # once more is no error, nor another object
    peer = DICOMwebClient(orthanc.url)
    peer._session.auth = HTTPBasicAuth(USER, PASSWORD)
    found = peer.search_for_instances(one.StudyInstanceUID)
    assert {item["00080018"]["Value"][0] for item in found} == uids
    assert len(found) == len(files)


def test_a_wrong_password_is_told_without_the_password(orthanc, node, tmp_path):
    secret = tmp_path / "wrong"
    secret.touch(mode=0o600)
    secret.write_text("not-the-password")
    with pytest.raises(ArchiveError, match=r"does not let user 'medseg' in \(HTTP 401\)") as caught:
        open_archive(_with(node, password_file=secret)).echo()
    assert "not-the-password" not in str(caught.value)
    assert not caught.value.passing


def test_a_password_file_that_others_may_read_is_refused(orthanc, node):
    assert node.web is not None
    assert node.web.password_file is not None
    node.web.password_file.chmod(0o644)
    with pytest.raises(ConfigError, match="may be read by others"):
        open_archive(node).echo()


def test_a_server_that_is_gone_is_waited_for(orthanc, node, studies):
    fill(orthanc, studies)
    orthanc.stop()
    waited: list[float] = []
    with pytest.raises(ArchiveError, match="cannot be reached"):
        open_archive(node, wait=waited.append).studies(Query())
    assert len(waited) == 1

    def back(seconds: float) -> None:
        orthanc.start()

    assert len(open_archive(node, wait=back).studies(Query())) == 4


def test_an_instance_that_is_stored_cut_off_goes_into_quarantine(orthanc, node, studies, tmp_path):
    files = fill(orthanc, studies)
    victim = pydicom.dcmread(next(path for path in files if path.parent.name == "PAT0003"))
    orthanc.stop()  # it has what it got last in memory
    for path in (orthanc.folder / "storage").rglob("*"):
        if path.is_file() and victim.SOPInstanceUID.encode() in (content := path.read_bytes()):
            path.write_bytes(content[:-200])
    orthanc.start()
    archive = open_archive(node)
    got = fetch_study(archive, victim.StudyInstanceUID, Query(), tmp_path / "study", tmp_path / "quarantine")
    assert set(got.broken) == {victim.SOPInstanceUID}
    assert got.files == 3
    assert "bytes of pixels" in str(got.broken[victim.SOPInstanceUID])
    (kept,) = (tmp_path / "quarantine").rglob("*.broken")
    assert "bytes of pixels" in kept.with_suffix(".txt").read_text()
    assert not list(got.folder.rglob(".*"))


def test_a_server_that_is_killed_in_mid_transfer_costs_nothing_that_came(orthanc, node, studies, tmp_path):
    files = fill(orthanc, studies)
    study = pydicom.dcmread(next(path for path in files if path.parent.name == "PAT0000")).StudyInstanceUID
    folder = tmp_path / "study"
    slow = _with(node, connections=1, attempts=1)

    def kill_after_the_first() -> None:
        while not list(folder.rglob("*.dcm")):
            time.sleep(0.0005)
        orthanc.stop(kill=True)

    killer = threading.Thread(target=kill_after_the_first)
    killer.start()
    with suppress(ArchiveError):  # unless all came before it was dead
        fetch_study(open_archive(slow), study, Query(), folder, tmp_path / "quarantine")
    killer.join()
    came = len(list(folder.rglob("*.dcm")))
    assert came >= 1
    orthanc.start()
    got = fetch_study(open_archive(node), study, Query(), folder, tmp_path / "quarantine")
    assert (got.files, got.new) == (4, 4 - came)


def test_a_certificate_is_checked(orthanc, node, tmp_path):
    folder = write_certificates(tmp_path)

    def over_tls(front: Front, **changes: object) -> Node:
        return _with(node, url=f"https://127.0.0.1:{front.own_port}/dicom-web", **changes)

    ours = {"ca": folder / "ca.pem"}
    waited: list[float] = []
    with standing_before(orthanc.http, folder / "good.pem") as front:
        assert "answers" in open_archive(over_tls(front, **ours)).echo()
        with pytest.raises(ArchiveError, match=r"TLS is refused \(certificate verify failed: unable to get"):
            open_archive(over_tls(front), wait=waited.append).echo()  # it comes from nobody whom the system knows
    with (
        standing_before(orthanc.http, folder / "expired.pem") as front,
        pytest.raises(ArchiveError, match=r"TLS is refused \(certificate verify failed: certificate has expired\)"),
    ):
        open_archive(over_tls(front, **ours), wait=waited.append).echo()
    assert waited == []  # waiting mends no certificate
    with standing_before(orthanc.http, folder / "good.pem", ca=folder / "ca.pem") as front:
        assert "answers" in open_archive(over_tls(front, **ours, certificate=folder / "good.pem")).echo()
        with pytest.raises(ArchiveError, match=r"TLS is refused|cannot be reached|broke off"):
            open_archive(over_tls(front, **ours), wait=waited.append).echo()


@pytest.mark.parametrize("size", [0, 300, 1500], ids=["before it", "in its head", "in its middle"])
def test_an_answer_that_breaks_off_is_asked_for_again(orthanc, node, studies, tmp_path, size):
    files = fill(orthanc, studies)
    study = pydicom.dcmread(next(path for path in files if path.parent.name == "PAT0000")).StudyInstanceUID
    with standing_before(orthanc.http) as front:
        broken: list[float] = []
        near = _with(node, url=f"http://127.0.0.1:{front.own_port}/dicom-web", connections=1)
        archive = open_archive(near, wait=lambda seconds: broken.append(seconds) if seconds else None)
        (series,) = archive.series(study)
        wanted = archive.instances(study, series.uid)
        front.breaks.append(size)
        place = Place(tmp_path / "study", tmp_path / "quarantine")
        assert archive.fetch(study, series.uid, wanted, place) == {}
        assert len(broken) == 1
    assert {path.stem for path in place.folder.glob("*.dcm")} == set(wanted)
    assert not place.quarantine.exists()


@pytest.mark.parametrize(
    ("web", "told"),
    [
        ({"url": "http://pacs.example.org/dicom-web", "user": "me", "password_file": "word"}, "without TLS"),
        ({"url": "https://me:the-word@pacs.example.org/dicom-web"}, "holds a user"),
        ({"url": "https://pacs.example.org/dicom-web", "password": "the-word"}, "unknown key 'password'"),
    ],
    ids=["in clear", "in the URL", "in the file"],
)
def test_secrets_have_one_place_and_no_message_shows_them(tmp_path, web, told):
    (tmp_path / "nodes.yaml").write_text(json.dumps({"there": {"web": web}}))
    with pytest.raises(ConfigError, match=told) as caught:
        read_nodes(tmp_path / "nodes.yaml")
    assert "the-word" not in str(caught.value)
