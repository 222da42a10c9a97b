"""Evaluation of folders: tolerances by label, probabilities, resampling, several processes, plots, and the command."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import ConfigError, MedsegError
from medseg.evaluation import evaluate_pairs, find_pairs, in_turn
from medseg.evaluation.in_turn import Failed
from medseg.evaluation.in_turn import in_turn as worked
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import write_mask
from medseg.labels import Labels
from medseg.outputs.evaluation_plots import write_plots
from medseg.reporting import Silent

LABELS = Labels.from_config({"organ": 1, "lesion": 2})
GRID = Geometry.from_spacing((16, 16, 8), (1, 1, 2))


def body(shift: int = 0, lesions: int = 2) -> np.ndarray:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[2:14, 2 + shift : 13, 1:7] = 1
    for n in range(lesions):
        mask[4 + 5 * n : 6 + 5 * n, 5 + shift : 8, 2:4] = 2
    return mask


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Six cases as `medseg predict --probabilities` writes them, and their references."""
    rng = np.random.default_rng(0)
    for n in range(6):
        said, true = body(n % 3, 1 + n % 2), body(0, 2 - n % 2)
        shares = np.stack([np.clip((said == v) * 0.8 + 0.1 * rng.random(GRID.shape), 0, 1) for v in (1, 2)])
        (tmp_path / "out" / f"c{n}").mkdir(parents=True)
        (tmp_path / "ref").mkdir(exist_ok=True)
        write_mask(tmp_path / "out" / f"c{n}" / "mask.nii.gz", Segmentation(said, GRID, LABELS))
        np.save(tmp_path / "out" / f"c{n}" / "probabilities.npy", shares.astype(np.float16))
        write_mask(tmp_path / "ref" / f"c{n}.nii.gz", Segmentation(true, GRID, LABELS))
    return tmp_path / "out", tmp_path / "ref"


def test_the_command_writes_tables_and_plots(folders):
    out, ref = folders
    words = ["--label", "organ=1", "--label", "lesion=2", "--match", "iou", "--tolerance", "lesion=0"]
    done = CliRunner().invoke(app, ["evaluate", str(out), str(ref), *words])
    assert done.exit_code == 0, done.output
    names = {path.name for path in (out / "evaluation").iterdir()}
    tables = {"scores", "cases", "worst", "summary", "lesions", "volumes", "froc", "calibration", "failures"}
    drawn = {"scores.png", "bland_altman.png", "froc.png", "reliability.png"}
    assert names == {f"{name}.csv" for name in tables} | {"agreement.json", "summary.json", "index.html"} | drawn
    for name in drawn:
        with Picture.open(out / "evaluation" / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    scores = pd.read_csv(out / "evaluation" / "scores.csv")
    assert scores.groupby("label")["tolerance"].unique().map(list).to_dict() == {"organ": [1.0], "lesion": [0.0]}
    summary = json.loads((out / "evaluation" / "summary.json").read_text())
    assert summary["scoring"]["match_threshold"] == 0.1
    assert summary["detection"]["lesion"]["lesions"] == 9
    assert 0 < summary["calibration"]["lesion"]["possible"]["brier"] < 1


def test_any_number_of_processes_gives_the_same_in_the_same_order(folders, monkeypatch):
    out, ref = folders
    (out / "c3" / "mask.nii.gz").write_bytes(b"broken")
    pairs = find_pairs(out, ref)
    alone = evaluate_pairs(pairs, LABELS, jobs=1)
    monkeypatch.setattr(in_turn, "_PATIENCE", -1.0)
    both = evaluate_pairs(pairs, LABELS, jobs=2)
    assert alone.to_json() == both.to_json()
    pd.testing.assert_frame_equal(alone.cases, both.cases)
    pd.testing.assert_frame_equal(alone.lesions, both.lesions)
    assert [case for case, _ in both.failures] == ["c3"]


def test_a_case_that_ends_its_process_is_a_failure_of_its_own(monkeypatch):
    monkeypatch.setattr(in_turn, "_PATIENCE", -1.0)
    found = list(worked(dies_of_three, [1, 2, 3, 4], 2, Silent(), "work"))
    assert found[:2] == [1, 2]
    assert isinstance(found[2], Failed)
    assert "ended its process" in found[2].reason
    assert found[3] == 4


def dies_of_three(number: int) -> int:
    import os

    if number == 3:
        os._exit(1)
    return number


def test_another_grid_is_refused_and_resampled_when_asked(folders, tmp_path):
    out, ref = folders
    fine = Geometry(tuple(2 * n for n in GRID.shape), GRID.resized([2 * n for n in GRID.shape]).affine)
    doubled = body(0, 1).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    write_mask(out / "c1" / "mask.nii.gz", Segmentation(doubled, fine, LABELS))
    np.save(out / "c1" / "probabilities.npy", np.stack([doubled == v for v in (1, 2)]).astype(np.float16))
    refused = medseg.evaluate(out, ref, LABELS)
    ((case, reason),) = refused.failures
    assert case == "c1"
    assert "--resample" in reason
    moved = medseg.evaluate(out, ref, LABELS, resample=True)
    assert not moved.failures
    assert [case for case, note in moved.notes if "resampled" in note] == ["c1"]
    row = moved.cases.set_index(["case", "label"]).loc[("c1", "lesion")]
    assert (row["dice"], row["hd95_mm"], row["reference_volume_ml"]) == (1, 0, pytest.approx(12 * 2 / 1000))


def test_references_that_were_never_predicted_are_counted_and_named(folders):
    predictions, reference = folders
    whole = medseg.evaluate(predictions, reference)
    shutil.rmtree(predictions / "c2")
    part = medseg.evaluate(predictions, reference)
    assert not [one for one in whole.notes if one[0] == reference.name]
    told = "without a prediction, and so not scored: 1 of its cases (c2)"
    assert [one for one in part.notes if one[0] == reference.name] == [(reference.name, told)]
    assert part.cases["case"].nunique() == whole.cases["case"].nunique() - 1


def test_tolerances_of_single_labels_and_bad_ones(folders):
    out, ref = folders
    found = medseg.evaluate(out, ref, LABELS, nsd_tolerance={"lesion": 9})
    assert found.mean("lesion", "nsd") == 1 > found.mean("organ", "nsd")
    with pytest.raises(ConfigError, match=r"a label 'liver'.*organ, lesion.*--label"):
        medseg.evaluate(out, ref, LABELS, nsd_tolerance={"liver": 1})
    with pytest.raises(ConfigError, match="0 or more"):
        medseg.evaluate(out, ref, LABELS, nsd_tolerance={"lesion": -1})
    with pytest.raises(MedsegError, match="scoring"):
        medseg.evaluate(out, ref, LABELS, scoring={"match": "closest"})
    with pytest.raises(ConfigError, match="match_threshold says nothing"):
        medseg.evaluate(out, ref, LABELS, scoring={"match": "any", "match_threshold": 0.3})
    words = ["evaluate", str(out), str(ref), "--tolerance", "liver"]
    assert CliRunner().invoke(app, words).exit_code == 2


@pytest.mark.parametrize("content", [np.zeros((3, 16, 16, 8), np.float16), np.zeros((2, 4, 4, 4), np.float16), None])
def test_probabilities_that_do_not_fit_are_a_failure_that_says_so(folders, content):
    out, ref = folders
    path = out / "c0" / "probabilities.npy"
    path.write_bytes(b"no array") if content is None else np.save(path, content)
    ((case, reason),) = medseg.evaluate(out, ref, LABELS).failures
    assert case == "c0"
    assert "probabilities" in reason


def test_masks_that_are_none_are_failures_and_no_end(tmp_path):
    good = tmp_path / "good.nii.gz"
    write_mask(good, Segmentation(body(), GRID, LABELS))
    import nibabel

    bad = {"fractions": body() * 0.5, "negative": -body().astype(np.int16), "infinite": np.where(body() > 1, np.inf, 0)}
    for name, voxels in bad.items():
        kind = np.float32 if voxels.dtype.kind == "f" else np.int16
        nibabel.save(nibabel.Nifti1Image(voxels.astype(kind), GRID.affine), tmp_path / f"{name}.nii.gz")
    Picture.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / "rgb.png")
    pairs = [("good", good, good), *((name, tmp_path / f"{name}.nii.gz", good) for name in bad)]
    found = evaluate_pairs([*pairs, ("rgb", tmp_path / "rgb.png", good)], LABELS)
    assert [case for case, _ in found.failures] == [*bad, "rgb"]
    assert found.cases["case"].unique().tolist() == ["good"]


def test_without_spacing_only_pixel_columns_are_filled(tmp_path):
    Picture.fromarray(body()[:, :, 3].T.copy()).save(tmp_path / "a.png")
    found = evaluate_pairs([("a", tmp_path / "a.png", tmp_path / "a.png")], LABELS)
    row = found.cases.iloc[0]
    assert (row["unit"], row["hd_px"], row["masd_px"], row["nsd_px"]) == ("px", 0, 0, 1)
    assert all(math.isnan(row[name]) for name in ("hd_mm", "nsd", "predicted_volume_ml", "predicted_area_mm2"))
    assert found.volumes["unit"].unique().tolist() == ["voxels"]
    assert [path.name for path in write_plots(tmp_path / "plots", found)] == ["scores.png"]
