"""What an evaluation knows of its cases beside their scores, and where it takes that from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import medseg
from medseg.case import Case
from medseg.errors import UnreadableFileError
from medseg.evaluation.facts import facts_table
from medseg.evaluation.pairs import recorded_cases
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import write_mask
from medseg.labels import Labels

GRID = Geometry.from_spacing((4, 4, 4), (1, 1, 1))
ONE = Labels.from_config({"lesion": 1})


def test_a_data_set_counts_before_the_run_and_the_run_before_nothing():
    cases = [
        Case("a", "p1", (), columns={"sex": "f", "view": ""}),
        Case("b", "b", (), columns={"patient": "no", "sex": "m"}),
    ]
    recorded = {
        "a": {"case": "a", "patient": "p9", "sex": "x", "view": "MLO", "status": "done", "images": "a.png"},
        "b": {"case": "b", "patient": "p2", "scanner": "one"},
    }
    pairs = [*((case.id, Path(case.id), case) for case in cases), ("c", Path("c"), Path("r"))]
    assert facts_table(pairs, recorded).to_dict("records") == [
        {"case": "a", "patient": "p1", "sex": "f", "view": "MLO", "scanner": ""},
        {"case": "b", "patient": "p2", "sex": "m", "view": "", "scanner": "one"},
        {"case": "c", "patient": "c", "sex": "", "view": "", "scanner": ""},
    ]


def test_an_evaluation_saves_them_of_failed_cases_too(tmp_path):
    mask = Segmentation(np.eye(4, dtype=np.uint8)[..., None].repeat(4, 2), GRID, ONE)
    for case in ("p1", "p2"):
        write_mask(tmp_path / "ref" / f"{case}.nii.gz", mask)
    write_mask(tmp_path / "out" / "p1" / "mask.nii.gz", mask)
    table = "case,patient,status,images,sex\np1,007,done,x.nii.gz,f\np2,007,failed,y.nii.gz,\n"
    (tmp_path / "out" / "cases.csv").write_text(table)
    found = medseg.evaluate(tmp_path / "out", tmp_path / "ref", ONE)
    assert [case for case, _ in found.failures] == ["p2"]
    found.save(tmp_path / "scores")
    saved = pd.read_csv(tmp_path / "scores" / "cases.csv", dtype=str, keep_default_na=False)
    assert saved.to_dict("records") == [
        {"case": "p1", "patient": "007", "sex": "f"},
        {"case": "p2", "patient": "007", "sex": ""},
    ]
    pd.testing.assert_frame_equal(saved, found.facts, check_dtype=False)


def test_a_record_that_is_no_text_is_refused_by_name(tmp_path):
    (tmp_path / "cases.csv").write_bytes(b"case\n\xff\xfe\n")
    with pytest.raises(UnreadableFileError, match=r"cases\.csv"):
        recorded_cases(tmp_path)
    (tmp_path / "cases.csv").write_text("case,sex\na,f,too much\nb\n")
    assert recorded_cases(tmp_path) == {"a": {"case": "a", "sex": "f"}, "b": {"case": "b"}}
