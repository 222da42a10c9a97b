"""Evaluation of files: pairing, other grids, bad cases, and what is written."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from medseg.case import Case
from medseg.errors import ConfigError, DatasetError, OutputError, UnreadableFileError
from medseg.evaluation import evaluate, evaluate_pairs, find_pairs
from medseg.evaluation.placed import read_placed
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import write_mask
from medseg.labels import Labels

LABELS = Labels.from_config({"lesion": 1})


def save(path: Path, mask: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    spaced = Geometry.from_spacing(mask.shape, (1.0, 1.5, 3.0)[: mask.ndim] if mask.ndim == 3 else None)
    write_mask(path, Segmentation(mask, spaced if affine is None else Geometry(mask.shape, affine), LABELS))
    return path


@pytest.fixture
def cube() -> np.ndarray:
    mask = np.zeros((8, 7, 6), np.uint8)
    mask[2:5, 2:5, 2:4] = 1
    return mask


def test_an_output_folder_of_predict_is_paired_by_case(tmp_path, cube):
    for case in ("p1", "p2"):
        save(tmp_path / "out" / case / "mask.nii.gz", cube)
        save(tmp_path / "labels" / f"{case}.nii.gz", cube)
    (tmp_path / "out" / "p1" / "preview.png").write_bytes(b"no mask")
    save(tmp_path / "labels" / "never_predicted.nii.gz", cube)
    pairs = find_pairs(tmp_path / "out", tmp_path / "labels")
    assert [pair[0] for pair in pairs] == ["p1", "p2"]
    assert evaluate_pairs(pairs, LABELS).mean("lesion") == 1


def test_a_case_that_failed_in_predict_is_a_failure_and_no_silence(tmp_path, cube):
    save(tmp_path / "out" / "p1" / "mask.nii.gz", cube)
    (tmp_path / "out" / "cases.csv").write_text("case,status\np1,done\np2,failed\n")
    save(tmp_path / "labels" / "p1.nii.gz", cube)
    save(tmp_path / "labels" / "p2.nii.gz", cube)
    found = evaluate_pairs(find_pairs(tmp_path / "out", tmp_path / "labels"), LABELS)
    assert [case for case, _reason in found.failures] == ["p2"]
    assert found.cases["case"].tolist() == ["p1"]


def test_a_prediction_without_reference_is_a_failure(tmp_path, cube):
    save(tmp_path / "out" / "p1.nii.gz", cube)
    save(tmp_path / "out" / "p9.nii.gz", cube)
    save(tmp_path / "labels" / "p1.nii.gz", cube)
    found = evaluate_pairs(find_pairs(tmp_path / "out", tmp_path / "labels"), LABELS)
    assert [case for case, _reason in found.failures] == ["p9"]


def test_two_files_are_a_pair_whatever_their_names(tmp_path, cube):
    prediction = save(tmp_path / "case_5" / "mask.nii.gz", cube)
    reference = save(tmp_path / "truth.nii.gz", cube)
    assert find_pairs(prediction, reference) == [("case_5", prediction, reference)]


def test_a_data_set_serves_as_reference(tmp_path, cube):
    save(tmp_path / "out" / "p1.nii.gz", cube)
    for folder in ("images", "labels"):
        save(tmp_path / "data" / folder / "p1.nii.gz", cube)
    ((case, _prediction, reference),) = find_pairs(tmp_path / "out", tmp_path / "data")
    assert (case, reference.masks) == ("p1", (tmp_path / "data" / "labels" / "p1.nii.gz",))


def test_what_cannot_be_paired_is_refused_with_the_names_seen(tmp_path, cube):
    save(tmp_path / "out" / "p1.nii.gz", cube)
    save(tmp_path / "labels" / "q1.nii.gz", cube)
    with pytest.raises(DatasetError, match=r"\(p1\) has a reference in .*\(q1\)"):
        find_pairs(tmp_path / "out", tmp_path / "labels")
    with pytest.raises(UnreadableFileError, match="Check the path"):
        find_pairs(tmp_path / "nowhere", tmp_path / "labels")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no masks here"):
        find_pairs(tmp_path / "empty", tmp_path / "labels")
    save(tmp_path / "labels" / "q1.nii", cube)
    with pytest.raises(DatasetError, match="Keep one mask a case"):
        find_pairs(tmp_path / "out", tmp_path / "labels")


def test_a_bad_case_is_a_row_and_the_others_go_on(tmp_path, cube):
    good = save(tmp_path / "good.nii.gz", cube)
    shifted = np.diag([1.0, 1.5, 3.0, 1.0])
    shifted[0, 3] = 2.5
    other_grid = save(tmp_path / "shifted.nii.gz", cube, shifted)
    other_size = save(tmp_path / "small.nii.gz", cube[1:])
    other_value = save(tmp_path / "value.nii.gz", cube * 3)
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(good.read_bytes()[:40])
    bad = {"shifted": other_grid, "small": other_size, "value": other_value, "broken": broken}
    found = evaluate_pairs([("ok", good, good), *((case, path, good) for case, path in bad.items())], LABELS)
    assert [case for case, _reason in found.failures] == list(bad)
    assert found.cases["case"].tolist() == ["ok"]
    reasons = [reason for _case, reason in found.failures]
    assert all(path.name in why or case in why for why, (case, path) in zip(reasons, bad.items(), strict=True))


def test_the_same_voxels_in_another_axis_order_are_scored_as_they_lie(tmp_path, cube):
    cube[0, 0, 0] = 1
    reference = save(tmp_path / "reference.nii.gz", cube)
    affine = np.diag([-1.0, 1.5, 3.0, 1.0])
    affine[0, 3] = 7.0
    turned = save(tmp_path / "turned.nii.gz", cube[::-1], affine)
    assert evaluate_pairs([("c", turned, reference)], LABELS).mean("lesion") == 1


def test_without_declared_labels_every_value_found_is_one(tmp_path, cube):
    prediction = save(tmp_path / "p.png", cube[:, :, 2] * 255)
    reference = save(tmp_path / "r.png", cube[:, :, 2] * 7)
    found = evaluate_pairs([("c", prediction, reference)])
    assert found.cases["label"].tolist() == ["label 7", "label 255"]
    assert found.cases["dice"].tolist() == [0, 0]


def test_undeclared_negative_values_are_a_failure_and_no_label(tmp_path, cube):
    good = save(tmp_path / "good.nii.gz", cube)
    nibabel.save(nibabel.Nifti1Image(-cube.astype(np.int16), np.diag([1.0, 1.5, 3, 1])), tmp_path / "bad.nii.gz")
    found = evaluate_pairs([("a", good, good), ("b", tmp_path / "bad.nii.gz", good)])
    assert found.cases["label"].tolist() == ["label 1"]
    ((case, reason),) = found.failures
    assert case == "b"
    assert "[-1]" in reason


def test_whatever_one_case_does_the_others_are_scored(tmp_path, cube, monkeypatch):
    def read(path, *rest):
        if path.name == "huge.nii.gz":
            raise MemoryError("no room")
        return read_placed(path, *rest)

    monkeypatch.setattr(evaluate, "read_placed", read)
    paths = [save(tmp_path / name, cube) for name in ("a.nii.gz", "huge.nii.gz", "z.nii.gz")]
    found = evaluate_pairs([(path.name, path, path) for path in paths], LABELS, jobs=1)
    assert found.cases["dice"].tolist() == [1, 1]
    assert found.failures == (("huge.nii.gz", "unexpected MemoryError: no room"),)


def test_nothing_to_evaluate_is_refused():
    with pytest.raises(DatasetError, match="nothing to evaluate"):
        evaluate_pairs([], LABELS)


def test_what_is_saved_reads_back_and_is_the_same_each_time(tmp_path, cube):
    good = save(tmp_path / "good.nii.gz", cube)
    found = evaluate_pairs([("007", good, good), ("bad", tmp_path / "missing.nii.gz", good)], LABELS)
    for folder in ("one", "two"):
        found.save(tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [
        "agreement.json", "cases.csv", "failures.csv", "lesions.csv", "scores.csv", "summary.csv", "summary.json",
        "volumes.csv", "worst.csv",
    ]  # fmt: skip
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "one" / "scores.csv", dtype={"case": str}), found.cases, check_dtype=False
    )
    record = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert record["labels"]["lesion"]["dice"]["sd"] is None
    assert record == json.loads(found.to_json())
    assert record["failures"][0]["case"] == "bad"
    with pytest.raises(KeyError, match="liver"):
        found.mean("liver")
    with pytest.raises(OutputError, match="cannot be written"):
        found.save(good / "below_a_file")


def test_an_evaluation_draws_itself(tmp_path, cube):
    good = save(tmp_path / "good.nii.gz", cube)
    shown = evaluate_pairs([("a", good, good), ("<b>", tmp_path / "none.nii", good)], LABELS)._repr_html_()
    assert "dice" in shown
    assert "&lt;b&gt;" in shown


def test_labels_that_the_references_call_otherwise_are_refused(tmp_path, cube):
    prediction, reference = (save(tmp_path / side / "p1.nii.gz", cube) for side in ("out", "labels"))
    pairs = [("p1", prediction, Case("p1", "p1", (), (reference,), structures=("benign",)))]
    with pytest.raises(ConfigError, match="the references name benign, and no label of them"):
        evaluate_pairs(pairs, LABELS)
    assert evaluate_pairs(pairs, Labels.from_config({"lesion": ["benign", "malignant"]})).mean("lesion") == 1
