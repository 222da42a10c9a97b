"""Batches: every case accounted for, bad ones as rows, good ones whole."""

import shutil

import numpy as np
import pandas as pd
import pytest
from plans import plan_2d, plan_3d, untrained_model

import medseg
from medseg.batch import predict_cases
from medseg.case import Case
from medseg.errors import ConfigError, InputError, OutputError
from medseg.line.outcomes import CASE_COLUMNS
from medseg.reporting import Silent


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return untrained_model(tmp_path_factory.mktemp("model"), plan_3d(spacing_mm=(4.0, 4.0, 5.0)))


def test_a_folder_of_studies_gives_a_folder_a_case_and_tables(model, ct_studies, tmp_path):
    done = medseg.predict(model, ct_studies / "studies", tmp_path / "out", min_voxels=5)
    assert (done.cases["status"] == "done").all()
    assert len(done.cases) == 3
    for case in done.cases["case"]:
        mask, geometry = medseg.read_mask(tmp_path / "out" / case / "mask.nii.gz")
        assert mask.shape == geometry.shape
        assert (tmp_path / "out" / case / "preview.png").stat().st_size > 1000
    regions = pd.read_csv(tmp_path / "out" / "regions.csv")
    assert set(regions["case"]) <= set(done.cases["case"])
    assert regions["voxels"].min() >= 5
    assert "mean_hu" in regions
    assert {"run.json", "cases.csv", "timings.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_the_case_table_tells_what_is_known_of_each_case(model, ct_studies, blobs, tmp_path):
    cases = medseg.predict(model, ct_studies / "studies", tmp_path / "out").cases
    written = pd.read_csv(tmp_path / "out" / "cases.csv", dtype=str)
    assert list(written) == list(cases)
    assert list(cases)[: len(CASE_COLUMNS)] == list(CASE_COLUMNS)
    assert set(written["modality"]) == {"CT"}
    row = Case("a", "p", (blobs / "images" / "case0.nii.gz",), columns={"arm": "B", "status": "alive"})
    (known,) = predict_cases(medseg.load_model(model), [row], tmp_path / "known", Silent()).cases.to_dict("records")
    assert (known["arm"], known["status"], known["status (case)"]) == ("B", "done", "alive")


def test_a_bad_case_is_a_row_with_its_reason_and_the_others_go_on(model, blobs, tmp_path):
    studies = tmp_path / "studies"
    shutil.copytree(blobs / "images", studies)
    whole = (studies / "case1.nii.gz").read_bytes()
    (studies / "case1.nii.gz").write_bytes(whole[: len(whole) // 2])
    (studies / "case2.nii.gz").write_bytes(b"not a gzip")
    done = medseg.predict(model, studies, tmp_path / "out")
    assert list(done.failed["case"]) == ["case1", "case2"]
    assert all("case" in error and ".nii.gz" in error for error in done.failed["error"])
    assert not (tmp_path / "out" / "case1").exists()
    assert len(done.cases) == 10
    assert (done.cases["status"] == "done").sum() == 8


def test_a_case_that_fails_leaves_no_mask_of_an_earlier_run(model, blobs, tmp_path):
    (tmp_path / "in").mkdir()
    study = tmp_path / "in" / "case.nii.gz"
    shutil.copy(blobs / "images" / "case1.nii.gz", study)
    medseg.predict(model, study, tmp_path / "out")
    assert (tmp_path / "out" / "case" / "mask.nii.gz").exists()
    study.write_bytes(b"broken meanwhile")
    assert len(medseg.predict(model, study, tmp_path / "out").failed) == 1
    assert list((tmp_path / "out" / "case").iterdir()) == []


def test_a_failure_that_nobody_foresaw_is_a_row_too(blobs, tmp_path):
    class Broken:
        labels = medseg.Labels.from_config({"a": 1})

        def segment(self, image, *, probabilities=False):
            raise RuntimeError("out of luck")

    from medseg.batch import predict_cases
    from medseg.datasets import cases_from_inputs
    from medseg.reporting import Silent

    done = predict_cases(Broken(), cases_from_inputs([blobs / "images"]), tmp_path / "out", Silent())
    assert (done.failed["error"] == "unexpected RuntimeError: out of luck").all()
    assert list(done.regions.columns[:3]) == ["case", "label", "region"]


def test_equal_runs_write_equal_bytes(model, blobs, tmp_path):
    for out in ("one", "two"):
        medseg.predict(model, blobs / "images", tmp_path / out)
    names = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(names) == 28
    for name in names:
        if name.name not in ("timings.csv", "ledger.sqlite", "run.html"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_radiographs_get_png_masks_in_file_values(mammograms, tmp_path):
    model = untrained_model(tmp_path / "model", plan_2d())
    medseg.predict(model, mammograms / "studies", tmp_path / "out")
    masks = sorted((tmp_path / "out").glob("*/mask.png"))
    assert len(masks) == 4
    assert set(np.unique(medseg.read_mask(masks[0])[0])) <= {0, 255}


def test_an_input_that_does_not_exist_stops_before_anything_is_written(model, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        medseg.predict(model, tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_clear_error(model, blobs, tmp_path):
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        medseg.predict(model, blobs / "images", tmp_path / "out")


def test_a_part_needs_the_split_of_the_run(model, blobs, tmp_path):
    with pytest.raises(ConfigError, match=r"no split\.json"):
        medseg.predict(model, blobs, tmp_path / "out", part="test")


@pytest.mark.parametrize("jobs", [0, 1])
def test_masks_alone_are_the_same_masks_and_leave_no_table_of_others(model, blobs, tmp_path, jobs):
    studies = blobs / "images"
    whole = medseg.predict(model, studies, tmp_path / "whole", jobs=jobs)
    medseg.predict(model, studies, tmp_path / "out", jobs=jobs)  # of which nothing may stay that was measured
    done = medseg.predict(model, studies, tmp_path / "out", jobs=jobs, masks_only=True)
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} == {
        "cases.csv",
        "ledger.sqlite",
        "run.html",
        "run.json",
        "timings.csv",
    }
    assert done.regions.empty
    assert done.patients.empty
    assert done.cases["regions"].isna().all()
    for case in whole.cases["case"]:
        assert [path.name for path in (tmp_path / "out" / case).iterdir()] == ["mask.nii.gz"]
        one, other = (tmp_path / name / case / "mask.nii.gz" for name in ("whole", "out"))
        assert one.read_bytes() == other.read_bytes()
