"""A batch whose studies lie in an archive, with a real server."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from small_studies import write_studies

from medseg.errors import ArchiveError
from medseg.io import read_mask
from medseg.outputs.dicom.writing import Writing
from medseg.pacs.opening import open_archive
from medseg.pacs.query import Query
from medseg.workflow import predict, verify
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.pacs_batch import predict_archive

CT = Query.of([("Modality", "CT")])
CODES = {"foreground": "lesion"}
WRITING = Writing(("seg", "sr"), codes=CODES)


def _fill(orthanc, folder: Path) -> None:
    for path in folder.rglob("*.dcm"):
        orthanc.put(path.read_bytes())


def _run(node, out: Path, asked: Query = CT, options: BatchOptions | None = None, **more: object):
    options = options or BatchOptions(jobs=0)
    return predict_archive("classical:otsu", lambda wait: open_archive(node, wait=wait), asked, out, options, **more)


def _objects(orthanc, modality: str) -> list[str]:
    found = orthanc.ask("tools/find", Level="Instance", Query={"Modality": modality}, Expand=True)
    return sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in found)


def _require_equal_masks(orthanc, out: Path, studies: int) -> None:
    """Each SEG of the archive is the mask of its case."""
    cases = pd.read_csv(out / "cases.csv", dtype=str)
    assert len(cases) == studies
    local = {pydicom.dcmread(path).SOPInstanceUID: path for path in out.glob("*/seg.dcm")}
    assert _objects(orthanc, "SEG") == sorted(local)
    assert len(_objects(orthanc, "SR")) == studies
    for one in orthanc.ask("tools/find", Level="Instance", Query={"Modality": "SEG"}, Expand=True):
        uid = one["MainDicomTags"]["SOPInstanceUID"]
        stored = out / "archived.dcm"
        stored.write_bytes(orthanc.file(one["ID"]))
        mask, grid = read_mask(local[uid].parent / "mask.nii.gz")
        np.testing.assert_array_equal(read_mask(stored, on=grid)[0] > 0, mask > 0)
        assert mask.any()
        stored.unlink()


def test_masks_and_tables_are_those_of_the_same_files(orthanc, node, studies, tmp_path):
    _fill(orthanc, studies)
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
    _fill(orthanc, studies)
    options = BatchOptions(jobs=0, writing=WRITING)
    done = _run(node, tmp_path / "out", options=options, store=True, room=50_000)  # a few studies at a time
    assert (done.delivery.sent, done.delivery.there, done.delivery.refused) == (8, 0, {})
    _require_equal_masks(orthanc, tmp_path / "out", 4)
    again = _run(node, tmp_path / "out", options=options, store=True)
    assert (again.delivery.sent, again.delivery.there) == (0, 0)
    elsewhere = _run(node, tmp_path / "elsewhere", options=options, store=True)  # the same results, made once more
    assert (elsewhere.delivery.sent, elsewhere.delivery.there) == (0, 8)
    _require_equal_masks(orthanc, tmp_path / "out", 4)


def test_a_new_study_is_done_and_the_others_are_not_fetched_again(orthanc, node, studies, tmp_path):
    _fill(orthanc, studies)
    _run(node, tmp_path / "out")
    masks = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/mask.nii.gz")}
    _fill(orthanc, write_studies(tmp_path / "more", 1, first=4))
    done = _run(node, tmp_path / "out")
    assert len(done.predictions.cases) == 5
    assert {path: path.stat().st_mtime_ns for path in masks} == masks
    assert len(list((tmp_path / "out").glob("*/mask.nii.gz"))) == 5


def test_a_broken_instance_fails_its_study_alone_until_it_is_mended(orthanc, node, studies, tmp_path):
    _fill(orthanc, studies)
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


def test_an_archive_that_goes_away_is_told_and_the_same_call_goes_on(orthanc, node, studies, tmp_path):
    _fill(orthanc, studies)
    archive = open_archive(node, wait=lambda seconds: None)

    class Leaving(type(archive)):
        def series(self, study):
            raise ArchiveError("orthanc", "cannot be reached", "Wait.", passing=True)

    leaving = Leaving(node, wait=lambda seconds: None)
    done = predict_archive("classical:otsu", lambda wait: leaving, CT, tmp_path / "out", BatchOptions(jobs=0))
    assert "cannot be reached" in str(done.gone)
    assert len(done.predictions.failed) == done.unfetched == 3  # then it counts as gone
    assert len(_run(node, tmp_path / "out").predictions.failed) == 0


@pytest.mark.parametrize("moment", ["fetching", "storing"])
def test_a_killed_run_goes_on_without_duplicates(orthanc, node, studies, tmp_path, moment):
    _fill(orthanc, studies)
    out = tmp_path / "out"
    (tmp_path / "codes.yaml").write_text("foreground: lesion\n")
    (tmp_path / "nodes.yaml").write_text(
        f"orthanc: {{web: {{url: '{orthanc.url}', user: medseg, password_file: password}}}}\n"
    )
    words = ["predict", "classical:otsu", f"dicomweb+{orthanc.url}?Modality=CT", "--out", str(out), "--jobs", "0"]
    words += ["--write", "seg,sr", "--codes", str(tmp_path / "codes.yaml"), "--store"]
    command = [sys.executable, "-m", "medseg", *words, "--nodes", str(tmp_path / "nodes.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if moment == "fetching" and len(list((out / "archive" / "fetched").rglob("*.dcm"))) >= 6:
            break
        if moment == "storing" and len(_objects(orthanc, "SEG")) >= 1:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _require_equal_masks(orthanc, out, 4)
    secret = (tmp_path / "password").read_text().strip().encode()
    assert not [path for path in out.rglob("*") if path.is_file() and secret in path.read_bytes()]
