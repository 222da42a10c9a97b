"""The storage service: what it takes, what it refuses, and that nothing is acknowledged that is not on the disk."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from certificates import write_certificates
from pydicom.uid import MPEG2MPML
from pynetdicom import AE

from medseg.errors import ArchiveError
from medseg.pacs import arriving
from medseg.pacs.nodes import Node
from medseg.pacs.opening import open_archive
from medseg.pacs.receiving import Door, Receiver
from medseg.pacs.sending import Sent, send_missing

# pynetdicom leaves the socket of a connection that came to nothing to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
CT = "1.2.840.10008.5.1.4.1.1.2"


@contextmanager
def _open(tmp_path: Path, *, least_free: int = 0, **door: object) -> Iterator[tuple[Receiver, list[str]]]:
    told: list[str] = []
    asked = {"ae": "MEDSEG", "port": 0, "allowed": ("SENDER",), **door}
    with Receiver(Door(**asked), tmp_path / "inbox", tmp_path / "quarantine", least_free, told.append) as receiver:
        yield receiver, told


def _send(receiver: Receiver, files: list[Path], **dimse: object) -> Sent:
    way = {"host": "127.0.0.1", "port": receiver.port, "ae": "MEDSEG", "our_ae": "SENDER", "attempts": 1, **dimse}
    return send_missing(open_archive(Node.model_validate({"name": "medseg", "dimse": way})), files)


def _came(tmp_path: Path) -> dict[str, Path]:
    return {path.stem: path for path in (tmp_path / "inbox").rglob("*.dcm")}


def test_what_is_pushed_lies_there_as_it_was(studies, tmp_path):
    files = sorted(studies.rglob("*.dcm"))
    with _open(tmp_path) as (receiver, told):
        assert len(_send(receiver, files).taken) == len(files)
        assert len(_send(receiver, files[:3]).taken) == 3  # once more is no error, and changes nothing
    came = _came(tmp_path)
    assert len(came) == len(files)
    for path in files:
        was = pydicom.dcmread(path)
        now = pydicom.dcmread(came[was.SOPInstanceUID])
        assert now == was
        assert came[was.SOPInstanceUID].parts[-3:-1] == (was.StudyInstanceUID, was.SeriesInstanceUID)
    assert told == []
    assert not list((tmp_path / "inbox").rglob("*.part"))


def test_nothing_is_acknowledged_that_is_not_flushed(studies, tmp_path, monkeypatch):
    files = sorted((studies / "PAT0000").glob("*.dcm"))
    flushed: list[int] = []
    real = os.fsync

    def counted(fd: int) -> None:
        flushed.append(os.fstat(fd).st_ino)
        real(fd)

    with _open(tmp_path) as (receiver, _):
        monkeypatch.setattr(os, "fsync", counted)
        assert len(_send(receiver, files[:1]).taken) == 1
        (path,) = _came(tmp_path).values()
        wanted = [path.stat().st_ino, *(folder.stat().st_ino for folder in path.parents[:3])]
        assert flushed[0] == wanted[0]
        assert set(wanted) <= set(flushed)  # the file, and the folders that got a new name

        def failing(fd: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(ArchiveError, match="0xa700"):
            _send(receiver, files[1:2])
        monkeypatch.setattr(os, "fsync", real)
        assert len(_send(receiver, files).taken) == len(files)


def test_only_those_who_may_and_who_mean_us_come_in(studies, tmp_path):
    files = sorted((studies / "PAT0000").glob("*.dcm"))
    with _open(tmp_path) as (receiver, told):
        with pytest.raises(ArchiveError, match=r"rejects us as STRANGER .*[Cc]alling AE"):
            _send(receiver, files, our_ae="STRANGER")
        with pytest.raises(ArchiveError, match=r"rejects us as SENDER .*[Cc]alled AE"):
            _send(receiver, files, ae="OTHER")
    assert len(told) == 2
    assert "'STRANGER'" in told[0]
    assert "'OTHER'" in told[1]
    assert _came(tmp_path) == {}


def test_a_full_disk_sends_senders_away(studies, tmp_path):
    with _open(tmp_path, least_free=1 << 60) as (receiver, _), pytest.raises(ArchiveError, match="0xa700") as caught:
        _send(receiver, sorted((studies / "PAT0000").glob("*.dcm")))
    assert caught.value.passing
    assert _came(tmp_path) == {}


def test_a_truncated_instance_and_a_uid_used_twice_go_into_quarantine(studies, tmp_path):
    files = sorted((studies / "PAT0000").glob("*.dcm"))
    with _open(tmp_path) as (receiver, told):
        assert len(_send(receiver, files[:1]).taken) == 1
        other = pydicom.dcmread(files[0])
        other.PixelData = bytes(len(other.PixelData))
        cut = pydicom.dcmread(files[1])
        cut.PixelData = cut.PixelData[:-100]
        entity = AE("SENDER")
        entity.add_requested_context(CT)
        with_us = entity.associate("127.0.0.1", receiver.port, ae_title="MEDSEG")
        assert with_us.send_c_store(other).Status == 0x0111
        assert with_us.send_c_store(cut).Status == 0xC000
        assert with_us.send_c_store(pydicom.dcmread(files[2])).Status == 0  # and the next one is taken
        with_us.release()
    assert len(told) == 2
    assert "another content" in told[0]
    assert "bytes of pixels" in told[1]
    assert len(list((tmp_path / "quarantine").glob("*.broken"))) == 2
    came = _came(tmp_path)
    assert set(came) == {pydicom.dcmread(files[number]).SOPInstanceUID for number in (0, 2)}
    assert pydicom.dcmread(came[other.SOPInstanceUID]) == pydicom.dcmread(files[0])


def test_of_two_contents_that_come_at_once_under_one_uid_none_is_lost(studies, tmp_path, monkeypatch):
    files = sorted((studies / "PAT0000").glob("*.dcm"))
    contents = []
    for number in range(4):
        contents.append(pydicom.dcmread(files[0]))
        contents[-1].PixelData = bytes([number]) * len(contents[-1].PixelData)
    before = arriving.stamp

    def slowly(path: Path) -> None:  # where each has seen that no other is there
        time.sleep(0.1)
        before(path)

    monkeypatch.setattr(arriving, "stamp", slowly)

    def send(content: pydicom.Dataset) -> int:
        entity = AE("SENDER")
        entity.add_requested_context(CT)
        with_us = entity.associate("127.0.0.1", receiver.port, ae_title="MEDSEG")
        status = with_us.send_c_store(content).Status
        with_us.release()
        return int(status)

    with _open(tmp_path) as (receiver, _), ThreadPoolExecutor(4) as threads:
        told = sorted(threads.map(send, contents))
        assert told == [0, 0x0111, 0x0111, 0x0111]
        assert [send(content) for content in contents].count(0x0111) == 3
    (came,) = _came(tmp_path).values()
    aside = list((tmp_path / "quarantine").glob("*.broken"))
    assert len(aside) == 3  # once each, however often they come
    assert {pydicom.dcmread(path).PixelData[0] for path in (came, *aside)} == {0, 1, 2, 3}


def test_a_transfer_syntax_that_we_cannot_read_is_not_accepted(studies, tmp_path):
    with _open(tmp_path) as (receiver, told):
        entity = AE("SENDER")
        entity.add_requested_context(CT, [MPEG2MPML])
        entity.add_requested_context("1.2.840.10008.1.1")
        with_us = entity.associate("127.0.0.1", receiver.port, ae_title="MEDSEG")
        assert [context.abstract_syntax for context in with_us.rejected_contexts] == [CT]
        with_us.release()
    assert "MPEG2" in told[0]


def test_what_holds_no_image_is_not_taken(tmp_path):
    with _open(tmp_path) as (receiver, _):
        entity = AE("SENDER")
        for kind in (CT, "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.33"):  # CT, SEG, SR
            entity.add_requested_context(kind)
        with_us = entity.associate("127.0.0.1", receiver.port, ae_title="MEDSEG")
        assert [context.abstract_syntax for context in with_us.accepted_contexts] == [CT]
        with_us.release()


def test_a_port_that_is_taken_is_told(tmp_path):
    with (
        _open(tmp_path) as (receiver, _),
        pytest.raises(ArchiveError, match="cannot be listened at"),
        _open(tmp_path / "other", port=receiver.port),
    ):
        raise AssertionError("two listen at one port")


def test_tls_is_checked_on_both_sides(studies, tmp_path):
    folder = write_certificates(tmp_path)
    files = sorted((studies / "PAT0000").glob("*.dcm"))
    ours = {"tls": True, "ca": folder / "ca.pem"}
    with _open(tmp_path, certificate=folder / "good.pem", ca=folder / "ca.pem") as (receiver, _):
        assert len(_send(receiver, files, **ours, certificate=folder / "good.pem").taken) == 4
        with pytest.raises(ArchiveError):  # without a certificate of ours
            _send(receiver, files, **ours, timeout=5)
        with pytest.raises(ArchiveError):  # or without TLS
            _send(receiver, files, timeout=5)
    with (
        _open(tmp_path / "old", certificate=folder / "expired.pem") as (receiver, _),
        pytest.raises(ArchiveError, match=r"TLS is refused \(certificate verify failed: certificate has expired\)"),
    ):
        _send(receiver, files, **ours)
