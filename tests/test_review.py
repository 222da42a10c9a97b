"""The correction loop: train, review, correct a mask, read it back, and go on training."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.config import check, read_yaml
from medseg.datasets import Split, open_dataset
from medseg.errors import ConfigError, InputError, OutputError
from medseg.evaluation.confidence import confidence_of
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.labels import Labels
from medseg.outputs.review_folder import write_guide
from medseg.training.settings import TrainSettings

LABELS = Labels.from_config({"low": 1, "high": 4})


@pytest.fixture(scope="module")
def run(blobs, tmp_path_factory):
    """A short training: five patients, one each for validation and test."""
    folder = tmp_path_factory.mktemp("reviewed")
    config = folder / "blobs.yaml"
    config.write_text(
        f"""
dataset: {blobs}
out: {folder / "run"}
modality: MR
labels: {{low: 1, high: 4}}
cases: {{file: cases.csv, id: name, patient: person}}
epochs: 2
plan:
  patch_size: [16, 16, 16]
  network: {{features: [8, 16, 16]}}
learning: {{steps_per_epoch: 6, validations: 1, precision: fp32}}
"""
    )
    return medseg.train(config).run


@pytest.fixture(scope="module")
def unlabelled(blobs, tmp_path_factory):
    """An image that the data set does not have."""
    folder = tmp_path_factory.mktemp("new")
    image = nibabel.load(blobs / "images" / "case3.nii.gz")
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32)[::-1].copy(), image.affine), folder / "n.nii.gz")
    return folder


@pytest.fixture(scope="module")
def reviewed(run, unlabelled, tmp_path_factory):
    out = tmp_path_factory.mktemp("review") / "review"
    return medseg.review(run, worst=3, uncertain=5, out=out, inputs=unlabelled)


def test_what_the_model_has_not_learnt_from_is_ranked(run, reviewed):
    split = Split.load(run / "split.json")
    table = reviewed.cases
    assert set(table["case"]) == {*split.validation, *split.test, "n"}
    assert dict(zip(table["case"], table["part"], strict=True))["n"] == "new"
    worst = table[table["why"].str.contains("worst")]
    assert len(worst) == 3
    assert worst["dice"].max() <= table[~table["case"].isin(worst["case"])]["dice"].min()
    assert table["border_entropy"].between(0, 1).all()
    written = pd.read_csv(reviewed.folder / "review.csv", keep_default_na=False)
    assert written["case"].tolist() == table["case"].tolist()
    assert set(reviewed.chosen["case"]) == set(json.loads((reviewed.folder / "review.json").read_text())["cases"])


def test_the_least_certain_are_chosen_and_one_viewer_suffices(run, unlabelled, tmp_path):
    few = medseg.review(run, worst=0, uncertain=2, out=tmp_path / "r", inputs=unlabelled, viewer="itksnap")
    assert set(few.chosen["why"]) == {"uncertain"}
    assert len(few.chosen) == 2
    assert few.chosen["expected_dice"].max() <= few.cases[few.cases["why"] == ""]["expected_dice"].min()
    assert (few.folder / "labels.txt").exists()
    assert not (few.folder / "labels.ctbl").exists()


def test_dice_is_that_of_evaluate(run, reviewed, blobs):
    scores = medseg.evaluate(reviewed.folder / "_predictions" / "test", blobs / "labels", LABELS).cases
    for row in reviewed.cases[reviewed.cases["part"] == "test"].itertuples():
        own = scores[scores["case"] == row.case].set_index("label")["dice"]
        assert row.dice_low == pytest.approx(own["low"])


def test_each_chosen_case_has_what_a_viewer_needs(reviewed, blobs):
    for row in reviewed.chosen.itertuples():
        folder = reviewed.folder / row.case
        image, mask = nibabel.load(folder / "image.nii.gz"), nibabel.load(folder / "mask.nii.gz")
        assert image.shape == mask.shape
        assert np.allclose(image.affine, mask.affine)
        assert set(np.unique(mask.get_fdata())) <= {0, 1, 4}
        assert (folder / "reference.nii.gz").exists() == (row.part != "new")
    with Picture.open(reviewed.folder / "review.png") as sheet:
        assert sheet.height > 170 * len(reviewed.chosen)
    table = (reviewed.folder / "labels.ctbl").read_text().splitlines()
    assert table[-2:] == ["1 low 214 39 40 255", "4 high 44 160 44 255"]
    assert '4    44  160   44        1  1  1    "high"' in (reviewed.folder / "labels.txt").read_text()
    assert "--corrected" in (reviewed.folder / "README.md").read_text()


def test_label_names_with_spaces_and_ignore_reach_the_viewers(tmp_path):
    write_guide(tmp_path, Labels.from_config({"left lung": 2, "ignore": 9}), ("slicer",))
    assert "2 left_lung 214 39 40 255" in (tmp_path / "labels.ctbl").read_text()
    assert "9 ignore 128 128 128 255" in (tmp_path / "labels.ctbl").read_text()
    assert not (tmp_path / "labels.txt").exists()


def test_what_cannot_be_reviewed_is_told(run, reviewed, tmp_path):
    with pytest.raises(OutputError, match="holds a review already"):
        medseg.review(run, out=reviewed.folder)
    with pytest.raises(ConfigError, match="not the folder of a finished run"):
        medseg.review(tmp_path)
    with pytest.raises(InputError, match="unknown viewer"):
        medseg.review(run, out=tmp_path / "r", viewer="paint")


@pytest.fixture
def corrected(reviewed):
    """One test case and the new one corrected, one mask on another grid, one with a value that nobody declared."""
    folder, record = reviewed.folder, json.loads((reviewed.folder / "review.json").read_text())["cases"]
    before = {path: path.read_bytes() for path in folder.glob("*/mask.nii.gz")}
    tests = sorted(name for name, about in record.items() if about["part"] == "test")
    others = sorted(name for name, about in record.items() if about["part"] == "validation")
    _rewrite(folder / tests[0] / "mask.nii.gz", lambda voxels: np.where(voxels == 0, 4, voxels))
    if others:
        _rewrite(folder / others[0] / "mask.nii.gz", lambda voxels: voxels + 100)
    yield tests[0], others[:1]
    for path, content in before.items():
        path.write_bytes(content)


def _rewrite(path, change, affine=None):
    mask = nibabel.load(path)
    voxels = change(np.asarray(mask.dataobj)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, mask.affine if affine is None else affine), path)


def test_corrected_masks_come_back_and_training_goes_on(run, reviewed, corrected, blobs, tmp_path):
    name, refused = corrected
    untouched = {path: path.read_bytes() for path in sorted(blobs.rglob("*")) if path.is_file()}
    back = medseg.read_corrections(run, reviewed.folder, tmp_path / "new.csv")
    status = back.cases.set_index("case")["status"]
    assert status[name] == "corrected"
    assert list(back.refused["case"]) == refused
    assert all("not declared" in reason for reason in back.refused["reason"])
    assert set(status.drop([name, *refused])) == {"unchanged"}
    assert untouched == {path: path.read_bytes() for path in sorted(blobs.rglob("*")) if path.is_file()}

    dataset = open_dataset(back.manifest, labels=LABELS)
    cases = {case.id: case for case in dataset.cases}
    assert len(cases) == 10
    mask = np.asarray(nibabel.load(cases[name].masks[0]).dataobj)
    assert (mask == 0).sum() == 0
    patient = cases[name].patient
    assert back.moved == (patient,)
    assert {case.split for case in cases.values() if case.patient == patient} == {"train"}
    old = Split.load(run / "split.json")
    assert {case.id for case in cases.values() if case.split == "validation"} == set(old.validation)
    assert not any(cases[case].split == "test" for case in old.train)

    config = read_yaml(back.config)
    settings = check(TrainSettings, config, back.config)
    assert settings.init == run / "model"
    assert "cases" not in config
    again = medseg.train(back.config, f"out={tmp_path / 'again'}", "epochs=1")
    assert name in again.split.train
    assert set(again.split.validation) == set(old.validation)


def test_a_new_case_joins_the_data_set_and_a_moved_grid_does_not(run, reviewed, tmp_path):
    record = json.loads((reviewed.folder / "review.json").read_text())["cases"]
    copy = tmp_path / "at the workstation"
    for name in record:
        (copy / name).mkdir(parents=True)
        (copy / name / "mask.nii.gz").write_bytes((reviewed.folder / name / "mask.nii.gz").read_bytes())
    (copy / "review.json").write_bytes((reviewed.folder / "review.json").read_bytes())
    moved = next(name for name in record if name != "n")
    _rewrite(copy / moved / "mask.nii.gz", lambda voxels: voxels, np.diag([1.0, 1.0, 2.0, 1.0]))
    told = CliRunner().invoke(
        app,
        ["review", str(run), "--corrected", str(copy), "--to", str(tmp_path / "new.csv"), "--take-unchanged", "--json"],
    )
    assert told.exit_code == 1, told.output
    rows = {row["case"]: row for row in json.loads(told.stdout)["cases"]}
    assert rows["n"]["status"] == "corrected"
    assert rows[moved]["status"] == "refused"
    cases = {case.id: case for case in open_dataset(tmp_path / "new.csv", labels=LABELS).cases}
    assert cases["n"].labelled
    assert cases["n"].split == "train"
    assert cases["n"].images[0].exists()


def test_what_cannot_be_read_back_is_told(run, reviewed, tmp_path):
    with pytest.raises(InputError, match="no folder of a review"):
        medseg.read_corrections(run, tmp_path, tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match="is there already"):
        medseg.read_corrections(run, reviewed.folder, tmp_path / "a.csv")


def test_confidence_is_high_where_probabilities_are_and_right_on_average():
    rng = np.random.default_rng(2)
    grid, labels = Geometry.from_spacing((60, 60), (1.0, 1.0), "test"), Labels.from_config({"a": 1})
    distance = np.hypot(*(np.indices(grid.shape) - 30))
    for softness in (0.5, 4.0):
        share = (1 / (1 + np.exp((distance - 15) / softness))).astype(np.float32)[None]
        found = Segmentation((share[0] > 0.5).astype(np.uint8), grid, labels, share)
        told = confidence_of(found)
        draws = [rng.random(grid.shape) < share[0] for _ in range(200)]
        dice = [2 * (draw & found.of("a")).sum() / (draw.sum() + found.mask.sum()) for draw in draws]
        assert told.expected_dice == pytest.approx(np.mean(dice), abs=0.01)
    sharp = Segmentation(found.mask, grid, labels, np.clip(found.mask, 0.001, 0.999).astype(np.float32)[None])
    assert confidence_of(sharp).border_entropy < 0.02 < 0.3 < told.border_entropy
    nothing = Segmentation(np.zeros(grid.shape, np.uint8), grid, labels, np.full((1, *grid.shape), 0.4, np.float16))
    assert confidence_of(nothing).expected_dice == pytest.approx(0.6, abs=0.001)
    assert confidence_of(nothing).border_entropy == pytest.approx(0.971, abs=0.001)
