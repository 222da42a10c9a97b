"""A study that --series leaves out is no failure, but a row that says so, until a rule fits."""

import json
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from pydicom.uid import generate_uid
from typer.testing import CliRunner

import medseg
from medseg.cli import app


@pytest.fixture(scope="module")
def studies(ct_studies, tmp_path_factory):
    """Two studies of one series each, told apart by its description."""
    root = tmp_path_factory.mktemp("in")
    series = min(path.parent for path in ct_studies.rglob("*.dcm"))
    for name in ("wanted", "other"):
        (root / name).mkdir()
        study, uid = generate_uid(), generate_uid()
        for path in sorted(series.glob("*.dcm")):
            header = pydicom.dcmread(path)
            header.PatientID, header.SeriesDescription = f"patient of {name}", name
            header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID = study, uid, generate_uid()
            header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
            header.save_as(root / name / path.name)
    return root


def predict(studies: Path, out: Path, rule: str, *more: str):
    return CliRunner().invoke(
        app, ["predict", "classical:otsu", str(studies), "--out", str(out), "--series", rule, *more]
    )


def test_what_no_series_fits_is_left_out_until_one_does(studies, tmp_path):
    out = tmp_path / "out"
    ahead = predict(studies, out, "description=wanted", "--dry-run", "--json")
    assert ahead.exit_code == 0
    assert {row["case"]: row["state"] for row in json.loads(ahead.stdout)["rows"]} == {
        "wanted": "to do",
        "other": "skipped",
    }

    done = predict(studies, out, "description=wanted")
    assert done.exit_code == 0, done.output
    assert "1 of 2 cases done, 1 left out" in done.output
    cases = pd.read_csv(out / "cases.csv").set_index("case")
    assert cases["status"].to_dict() == {"wanted": "done", "other": "skipped"}
    assert "none of its 1 series fits" in cases["error"]["other"]
    assert set(pd.read_csv(out / "patients.csv")["patient"]) == {"patient of wanted"}
    found = medseg.status(out)
    assert (found.state, found.exit_code, found.counts) == ("finished", 0, {"done": 1, "skipped": 1})
    assert medseg.verify(out).clean
    assert "but for those that were left out" in (out / "run.html").read_text()

    again = predict(studies, out, "description=wanted", "--retry-failed")
    assert "Resuming: 1 of 2 cases were done before, 1 are left out" in again.output
    assert predict(studies, out, "modality=CT").exit_code == 0
    assert pd.read_csv(out / "cases.csv")["status"].tolist() == ["done", "done"]


def test_single_cases_are_done_again_by_their_names(studies, tmp_path):
    out = tmp_path / "out"
    assert predict(studies, out, "modality=CT").exit_code == 0
    before = {name: (out / name / "mask.nii.gz").stat().st_mtime_ns for name in ("wanted", "other")}
    done = predict(studies, out, "modality=CT", "--redo-case", "want*")
    assert done.exit_code == 0, done.output
    assert (out / "wanted" / "mask.nii.gz").stat().st_mtime_ns > before["wanted"]
    assert (out / "other" / "mask.nii.gz").stat().st_mtime_ns == before["other"]
    refused = predict(studies, out, "modality=CT", "--redo-case", "nobody")
    assert "nobody is no case of this run" in str(refused.exception)
    assert medseg.verify(out).clean
