"""DICOM objects of a batch and of `medseg convert`: written, resumed, verified, refused."""

import sys

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_sources import complaints, ct_series, oblique, radiograph
from plans import plan_3d, untrained_model
from reporters import Listener

import medseg
from medseg.cli import main
from medseg.datasets.settings import DatasetSettings
from medseg.errors import ConfigError, LabelError, MissingExtraError
from medseg.io import read_segmentation
from medseg.workflow.opening import opened_dataset

OTSU = "classical:otsu"
CODES = {"foreground": "lung nodule"}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Two nodules in lungs of three patients; the third has air alone, in which otsu still finds something."""
    folder = tmp_path_factory.mktemp("studies")
    for number in range(3):
        voxels = np.random.default_rng(number).normal(-900, 5, oblique().shape)
        if number < 2:
            voxels[3:9, 4:12, 1:4], voxels[14:20, 5:9, 2:5] = 300, 300
        ct_series(folder / f"p{number}", oblique(), np.rint(voxels), PatientID=f"P{number}")
    return folder


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["medseg", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


def test_each_case_gets_objects_that_are_its_mask_and_its_rows(studies, tmp_path):
    out = tmp_path / "out"
    done = medseg.predict(OTSU, studies, out, write="sr,rtstruct", codes=CODES, min_voxels=3)
    assert (done.cases["status"] == "done").all()
    for case in done.cases["case"]:
        image = medseg.read_image(studies / case)
        mask, _grid = medseg.read_mask(out / case / "mask.nii.gz")
        for name in ("seg.dcm", "sr.dcm", "rtstruct.dcm"):  # an SR brings its SEG
            assert complaints(out / case / name) == []
        seg = read_segmentation(out / case / "seg.dcm", on=image)
        assert np.array_equal(seg.mask != 0, mask != 0)
        assert np.array_equal(read_segmentation(out / case / "rtstruct.dcm", on=image).mask != 0, mask != 0)
        rows = done.regions[done.regions["case"] == case]
        tracked = [one.TrackingID for one in pydicom.dcmread(out / case / "seg.dcm").SegmentSequence]
        assert [one for one in tracked if one.count("/") == 2] == [f"{case}/foreground/{n}" for n in rows["region"]]
        assert pydicom.dcmread(out / case / "seg.dcm").PatientID == case.upper()
    assert medseg.verify(out).problems == ()


def test_processes_write_the_same_bytes_and_a_second_run_does_nothing(studies, tmp_path):
    written = []
    for name, jobs in (("here", 0), ("processes", 1)):
        medseg.predict(OTSU, studies, tmp_path / name, write="seg", codes=CODES, jobs=jobs)
        written.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("seg.dcm"))])
    assert len(written[0]) == 3
    assert written[0] == written[1]
    seg = tmp_path / "here" / "p0" / "seg.dcm"
    before = seg.stat().st_mtime_ns
    medseg.predict(OTSU, studies, tmp_path / "here", write="seg", codes=CODES)
    assert seg.stat().st_mtime_ns == before
    seg.unlink()
    medseg.predict(OTSU, studies, tmp_path / "here", write="seg", codes=CODES)
    assert seg.read_bytes() == written[0][0]


def test_what_is_no_longer_asked_for_goes(studies, tmp_path):
    medseg.predict(OTSU, studies, tmp_path, write="seg,capture", codes=CODES)
    assert list((tmp_path / "p0" / "capture").glob("*.dcm"))
    medseg.predict(OTSU, studies, tmp_path)
    assert not list(tmp_path.rglob("*.dcm"))


def test_a_label_without_codes_is_refused_before_the_first_case(studies, tmp_path):
    with pytest.raises(LabelError, match="foreground: no DICOM codes are known"):
        medseg.predict(OTSU, studies, tmp_path / "out", write="seg")
    assert not list(tmp_path.rglob("mask*"))
    done = medseg.predict(OTSU, studies, tmp_path / "out", write="rtstruct")  # contours need none
    assert (done.cases["status"] == "done").all()


def test_a_case_that_is_no_dicom_is_a_row_that_says_so(studies, tmp_path):
    medseg.convert(studies / "p0", tmp_path / "in" / "a.nii.gz")
    done = medseg.predict(OTSU, tmp_path / "in", tmp_path / "out", write="seg", codes=CODES)
    assert "is no DICOM" in done.failed["error"].item()
    assert not list((tmp_path / "out").rglob("mask*"))  # told before it was segmented
    again = medseg.predict(OTSU, tmp_path / "in", tmp_path / "out")
    assert (again.cases["status"] == "done").all()


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"write": "nifti"}, "nifti"),
        ({"write": "seg", "seg": "LABELMAP", "segments": "region"}, "LABELMAP"),
        ({"write": "seg", "seg": "FRACTIONAL"}, "probabilities"),
        ({"write": "sr", "masks_only": True}, "not measured"),
    ],
)
def test_what_does_not_go_together_is_refused(studies, tmp_path, asked, match):
    with pytest.raises(ConfigError, match=match):
        medseg.predict("classical:gmm", studies, tmp_path, codes=CODES, **asked)


def test_fractions_are_those_of_the_probabilities(studies, tmp_path):
    how = {"write": "seg", "seg": "FRACTIONAL", "probabilities": True, "codes": CODES}
    done = medseg.predict("classical:gmm", studies / "p0", tmp_path, **how)
    (case,) = done.cases["case"]
    read = read_segmentation(tmp_path / case / "seg.dcm", on=medseg.read_image(studies / "p0"))
    kept = np.load(tmp_path / case / "probabilities.npy").astype(np.float32)
    assert np.abs(read.probabilities - kept).max() <= 0.5 / 255 + 1e-3


def test_the_command_writes_by_codes_of_a_file(studies, tmp_path, command):
    (tmp_path / "codes.yaml").write_text("foreground: {type: nodule, region: left lung}\nother: liver\n")
    words = ("predict", OTSU, studies, "--out", tmp_path / "out", "--write", "seg")
    code, _told, error = command(*words)
    assert code == 2
    assert "--codes" in error
    assert command(*words, "--codes", tmp_path / "codes.yaml", "--segments", "region")[0] == 0
    segments = pydicom.dcmread(tmp_path / "out" / "p0" / "seg.dcm").SegmentSequence
    assert [one.SegmentLabel for one in segments] == ["foreground 1", "foreground 2"]
    region = segments[0].AnatomicRegionSequence[0]
    assert (region.CodeMeaning, region.AnatomicRegionModifierSequence[0].CodeMeaning) == ("Lung", "Left")


def test_convert_lays_a_mask_on_its_series(studies, tmp_path, command):
    image = medseg.read_image(studies / "p0")
    mask = (image.voxels[0] > 0).astype(np.uint8)
    mask[14:20] *= 2
    labels = medseg.Labels.from_config({"left lung nodule": 1, "right lung nodule": 2})
    path = tmp_path / "mask.nii.gz"
    medseg.write_mask(path, medseg.Segmentation(mask, image.geometry, labels, image=image))
    words = ("convert", path, tmp_path / "out", "--like", studies / "p0", "--to", "seg,sr,rtstruct,capture")
    named = ("--label", "left lung nodule=1", "--label", "right lung nodule=2", "--made-by", "reader A")
    assert command(*words, *named)[0] == 0
    first = {file.name: file.read_bytes() for file in (tmp_path / "out").rglob("*.dcm")}
    assert {"seg.dcm", "sr.dcm", "rtstruct.dcm"} < set(first)
    assert np.array_equal(read_segmentation(tmp_path / "out" / "seg.dcm", on=image).mask, mask)
    assert pydicom.dcmread(tmp_path / "out" / "seg.dcm").SegmentSequence[0].SegmentAlgorithmName == "reader A"
    code, _told, said = command(*words, *named)
    assert (code, "the same objects" in said) == (0, True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").rglob("*.dcm")} == first
    code, _told, error = command(*words[:3], "--to", "seg")
    assert code == 2
    assert "--like" in error


def test_a_radiograph_has_a_seg_and_no_contours(tmp_path, command):
    pixels = np.full((31, 43), 100)
    pixels[5:20, 10:30] = 900
    radiograph(tmp_path / "in" / "a.dcm", pixels)
    done = medseg.predict(OTSU, tmp_path / "in", tmp_path / "out", write="seg,sr", codes=CODES)
    assert (done.cases["status"] == "done").all()
    assert len(pd.read_csv(tmp_path / "out" / "regions.csv")) == 1
    (seg,), (report,) = (list((tmp_path / "out").rglob(name)) for name in ("seg.dcm", "sr.dcm"))
    assert complaints(seg) == complaints(report) == []
    both = medseg.predict(OTSU, tmp_path / "in", tmp_path / "both", write="seg,rtstruct", codes=CODES).cases
    assert "no contours were written" in both["warnings"].item()
    assert [path.name for path in (tmp_path / "both").rglob("*.dcm")] == ["seg.dcm"]
    failed = medseg.predict(OTSU, tmp_path / "in", tmp_path / "other", write="rtstruct").failed
    assert "without a place in space" in failed["error"].item()


def test_a_model_keeps_the_codes_that_it_was_trained_with(studies, tmp_path):
    labels = {"a": 1, "b": 2, "codes": {"a": "left lung nodule", "b": {"type": "kidney", "modifier": "right"}}}
    model = untrained_model(tmp_path / "model", plan_3d(modality="CT", labels=labels))
    assert medseg.load_model(model).labels == medseg.Labels.from_config(labels)
    medseg.predict(model, studies / "p0", tmp_path / "out", write="seg")
    (path,) = (tmp_path / "out").rglob("seg.dcm")
    ds = pydicom.dcmread(path)
    assert [one.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for one in ds.SegmentSequence] == ["Nodule", "Kidney"]
    assert ds.SegmentSequence[0].SegmentAlgorithmName == "untrained"
    assert (
        ds.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == ds.DeviceSerialNumber
    )
    assert complaints(path) == []


def test_training_asks_for_codes_that_are_missing(blobs, tmp_path):
    asked = {"dataset": blobs, "labels": {"low": 1, "high": 2}, "codes": {"low": "liver tumor"}}
    told = Listener()
    _dataset, labels = opened_dataset(DatasetSettings(**asked), told)
    assert labels.labels[0].coding.region.meaning == "Liver"
    assert [said for said in told.said if said.startswith("No DICOM codes are known of high:")]


def test_without_highdicom_a_report_is_refused_before_the_first_case(studies, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    monkeypatch.delitem(sys.modules, "highdicom.sr", raising=False)
    with pytest.raises(MissingExtraError, match=r"medseg\[dicom\]"):
        medseg.predict(OTSU, studies, tmp_path / "out", write="sr", codes=CODES)
    assert not (tmp_path / "out").exists()
