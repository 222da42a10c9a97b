"""A dry run tells what a batch then does: its cases, their states and sizes; and writes nothing."""

import shutil

import pytest
from plans import plan_3d, untrained_model

from medseg.datasets import cases_from_inputs
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.forecasting import forecast
from medseg.workflow.predicting import predict


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return untrained_model(tmp_path_factory.mktemp("model"), plan_3d(spacing_mm=(2.0, 2.0, 2.0)))


@pytest.fixture
def studies(blobs, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        shutil.copy(blobs / "images" / f"case{number}.nii.gz", folder)
    (folder / "bad.nii.gz").write_bytes(b"not a gzip")
    return folder


def test_a_dry_run_says_what_the_run_then_does(folder, studies, tmp_path):
    out = tmp_path / "out"

    def ahead(**options):
        asked = BatchOptions(settings={"precision": "fp32"}, **options)
        return forecast(folder, lambda n: cases_from_inputs([studies], channels=n), out, asked)

    before = ahead()
    assert not out.exists()
    rows = before.cases.set_index("case")
    assert rows["state"].to_dict() == {"bad": "refused", "case0": "to do", "case1": "to do", "case2": "to do"}
    assert "bad.nii.gz" in rows["note"]["bad"]
    assert rows["voxels"]["case0"] == 20 * 24 * 18
    assert rows["mib"]["case1"] == (studies / "case1.nii.gz").stat().st_size / 2**20
    assert rows["seconds"].isna().all()
    assert 100 < rows["peak_mib"]["case0"] < 4000
    assert before.told()["seconds_of_work"] is None

    done = predict(folder, studies, out, jobs=0, precision="fp32")
    assert done.cases.set_index("case")["status"].to_dict() == dict.fromkeys(rows.index, "done") | {"bad": "failed"}
    after = ahead().cases.set_index("case")["state"].to_dict()
    assert after == dict.fromkeys(rows.index, "done") | {"bad": "failed before"}

    shutil.copy(studies / "case1.nii.gz", studies / "new.nii.gz")
    (studies / "case2.nii.gz").write_bytes((studies / "case0.nii.gz").read_bytes())
    later = ahead()
    assert set(later.to_do["case"]) == {"new", "case2"}
    assert later.learnt_from == 3
    assert later.told()["seconds_of_work"] > 0
    assert len(ahead(redo=True).to_do) == 4


def test_memory_of_another_kind_of_model_is_said_to_be_unknown(studies, tmp_path):
    found = forecast("classical:otsu", lambda n: cases_from_inputs([studies], channels=n), tmp_path / "out")
    assert not found.memory_known
    assert found.told()["peak_mib"] is None
    assert len(found.to_do) == 3
