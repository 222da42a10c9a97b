"""A batch whose studies lie in an archive, with a real server."""

from pathlib import Path

import pandas as pd
import pydicom
import pytest
from archived_results import fill, require_equal_masks
from small_studies import write_studies

from medseg.errors import ArchiveError, ConfigError
from medseg.outputs.dicom.writing import Writing
from medseg.pacs.opening import open_archive
from medseg.pacs.query import Query
from medseg.workflow import predict, verify
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.pacs_batch import predict_archive

CT = Query.of([("Modality", "CT")])
CODES = {"foreground": "lesion"}
WRITING = Writing(("seg", "sr"), codes=CODES)


def _run(node, out: Path, asked: Query = CT, options: BatchOptions | None = None, **more: object):
    options = options or BatchOptions(jobs=0)
    return predict_archive("classical:otsu", lambda wait: open_archive(node, wait=wait), asked, out, options, **more)


def test_masks_and_tables_are_those_of_the_same_files(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    done = _run(node, tmp_path / "out")
    assert (done.studies, done.unfetched, len(done.predictions.failed)) == (4, 0, 0)
    plain = predict("classical:otsu", studies, tmp_path / "plain", jobs=0)
    columns = ["label", "region", "voxels", "volume_ml", "centroid_x_mm"]
    assert len(plain.regions) >= 4
    pd.testing.assert_frame_equal(
        done.predictions.regions[columns].sort_values(columns, ignore_index=True),
        plain.regions[columns].sort_values(columns, ignore_index=True),
    )
    assert not list((tmp_path / "out" / "archive" / "fetched").iterdir())
    assert verify(tmp_path / "out").clean


def test_results_are_stored_once(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    options = BatchOptions(jobs=0, writing=WRITING)
    done = _run(node, tmp_path / "out", options=options, store=True, room=50_000)  # a few studies at a time
    assert (done.delivery.sent, done.delivery.there, done.delivery.refused) == (8, 0, {})
    require_equal_masks(orthanc, tmp_path / "out", 4)
    again = _run(node, tmp_path / "out", options=options, store=True)
    assert (again.delivery.sent, again.delivery.there) == (0, 0)
    elsewhere = _run(node, tmp_path / "elsewhere", options=options, store=True)  # the same results, made once more
    assert (elsewhere.delivery.sent, elsewhere.delivery.there) == (0, 8)
    require_equal_masks(orthanc, tmp_path / "out", 4)


def test_results_of_another_command_stay_where_they_are(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    options = BatchOptions(jobs=0, writing=Writing(("seg",), codes=CODES))
    _run(node, tmp_path / "out", Query.of([("PatientID", "PAT0000")]), options)
    done = _run(node, tmp_path / "out", Query.of([("PatientID", "PAT0001")]), options, store=True)
    assert done.delivery.sent == 1
    assert len(orthanc.found(Modality="SEG")) == 1
    assert len(done.predictions.cases) == 1


def test_a_new_study_is_done_and_the_others_are_not_fetched_again(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    _run(node, tmp_path / "out")
    masks = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/mask.nii.gz")}
    fill(orthanc, write_studies(tmp_path / "more", 1, first=4))
    done = _run(node, tmp_path / "out")
    assert len(done.predictions.cases) == 5
    assert {path: path.stat().st_mtime_ns for path in masks} == masks
    assert len(list((tmp_path / "out").glob("*/mask.nii.gz"))) == 5


def test_a_study_that_has_grown_is_done_again_and_our_results_make_it_no_other(orthanc, node, studies, tmp_path):
    files = fill(orthanc, studies)
    late = [path for path in files if pydicom.dcmread(path).InstanceNumber == 4]
    for path in late:
        orthanc.remove(pydicom.dcmread(path).SOPInstanceUID)
    options = BatchOptions(jobs=0, writing=Writing(("seg",), codes=CODES))
    _run(node, tmp_path / "out", options=options, store=True)
    masks = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/mask.nii.gz")}
    _run(node, tmp_path / "out", options=options, store=True)
    assert {path: path.stat().st_mtime_ns for path in masks} == masks
    orthanc.put(late[0].read_bytes())
    done = _run(node, tmp_path / "out", options=options, store=True)
    assert len(done.predictions.cases) == 4
    assert sum(path.stat().st_mtime_ns != before for path, before in masks.items()) == 1
    assert done.delivery.sent == 1


def test_what_the_user_wants_again_is_fetched_and_done_again_and_nothing_else(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    out = tmp_path / "out"
    first = _run(node, out)
    ids = sorted(first.predictions.cases["case"])

    def changed(redo) -> list[str]:
        masks = {path: path.stat().st_mtime_ns for path in out.glob("*/mask.nii.gz")}
        done = _run(node, out, options=BatchOptions(jobs=0, redo=redo))
        assert sorted(done.predictions.cases["case"]) == ids
        assert done.predictions.failed.empty
        pd.testing.assert_frame_equal(
            *(one.predictions.regions.sort_values(["case", "region"], ignore_index=True) for one in (first, done))
        )
        return sorted(path.parent.name for path, before in masks.items() if path.stat().st_mtime_ns != before)

    assert changed(False) == []
    assert changed(True) == ids
    assert changed([ids[2]]) == [ids[2]]
    assert changed([ids[0], f"*{ids[3][5:]}"]) == [ids[0], ids[3]]
    with pytest.raises(ConfigError, match="elsewhere is no case of this run"):
        changed([ids[0], "elsewhere"])


def test_a_broken_instance_fails_its_study_alone_until_it_is_mended(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    victim = sorted((studies / "PAT0003").glob("*.dcm"))[0]
    uid = pydicom.dcmread(victim).SOPInstanceUID
    orthanc.stop()
    for path in (orthanc.folder / "storage").rglob("*"):
        if path.is_file() and uid.encode() in (content := path.read_bytes()):
            path.write_bytes(content[:-200])
    orthanc.start()
    done = _run(node, tmp_path / "out")
    assert len(done.predictions.cases) == 4
    (error,) = done.predictions.failed["error"]
    assert "bytes of pixels" in error
    assert list((tmp_path / "out" / "archive" / "quarantine").rglob("*.broken"))
    orthanc.remove(uid)
    orthanc.put(victim.read_bytes())
    assert len(_run(node, tmp_path / "out").predictions.failed) == 0


def test_under_pseudonyms_nothing_of_a_broken_instance_is_kept(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    victim = pydicom.dcmread(sorted((studies / "PAT0003").glob("*.dcm"))[0])
    orthanc.stop()
    for path in (orthanc.folder / "storage").rglob("*"):
        if path.is_file() and victim.SOPInstanceUID.encode() in (content := path.read_bytes()):
            path.write_bytes(content[:-200])
    orthanc.start()
    out = tmp_path / "out"
    done = _run(node, out, options=BatchOptions(jobs=0, pseudonyms=tmp_path / "key"))
    assert len(done.predictions.failed) == 1
    names = [victim.PatientID, victim.StudyInstanceUID, victim.SeriesInstanceUID, victim.SOPInstanceUID]
    held = b"".join(str(path).encode() + path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert [name for name in names if name.encode() in held] == []


def test_an_archive_that_goes_away_is_told_and_the_same_call_goes_on(orthanc, node, studies, tmp_path):
    fill(orthanc, studies)
    archive = open_archive(node, wait=lambda seconds: None)

    class Leaving(type(archive)):
        def series(self, study, query=None):
            raise ArchiveError("orthanc", "cannot be reached", "Wait.", passing=True)

    leaving = Leaving(node, wait=lambda seconds: None)
    done = predict_archive("classical:otsu", lambda wait: leaving, CT, tmp_path / "out", BatchOptions(jobs=0))
    assert "cannot be reached" in str(done.gone)
    assert len(done.predictions.failed) == done.unfetched == 3  # then it counts as gone
    assert len(_run(node, tmp_path / "out").predictions.failed) == 0
