"""Labels that overlap from the files of a data set to masks, tables and scores."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from plans import plan_3d
from restored import restored

import medseg
from medseg.case import Case
from medseg.datasets import open_dataset
from medseg.errors import LabelError
from medseg.evaluation import overlaps, score_case
from medseg.geometry import Geometry
from medseg.io import read_case_image
from medseg.labels import IGNORE_INDEX, Labels
from medseg.training.balance import class_voxels
from medseg.training.cache import CachedCase
from medseg.training.cases import read_indices, read_targets
from medseg.transforms.prepare import prepare, prepare_labels

REGIONS = Labels.from_config({"whole": [1, 4], "core": 4, "overlapping": True})


@pytest.fixture
def config(blob_config: Path) -> Path:
    text = blob_config.read_text().replace("{low: 1, high: 4}", "{whole: [1, 4], core: 4, overlapping: true}")
    blob_config.write_text(text.replace("epochs: 2", "epochs: 5"))
    return blob_config


def test_labels_that_overlap_are_trained_predicted_measured_and_scored(
    config: Path, blobs: Path, tmp_path: Path
) -> None:
    trained = medseg.train(config, "learning.steps_per_epoch=8")
    assert np.isfinite(trained.history["loss"]).all()
    assert {"val_dice_whole", "val_dice_core"} <= set(trained.history)
    assert trained.validation_dice > 0.2  # brightness alone tells them apart
    out = tmp_path / "out"
    predictions = medseg.predict(trained.folder, blobs, out)
    assert not len(predictions.failed)
    folder = out / "case0"
    assert sorted(path.name for path in folder.iterdir()) == ["mask_core.nii.gz", "mask_whole.nii.gz", "preview.png"]
    masks = [np.asarray(nibabel.load(folder / f"mask_{name}.nii.gz").dataobj) for name in ("whole", "core")]
    assert {mask.dtype for mask in masks} == {np.dtype(np.uint8)}
    assert set(np.unique(masks)) == {0, 1}
    assert masks[0].shape == nibabel.load(blobs / "images" / "case0.nii.gz").shape
    counts = predictions.regions.groupby(["case", "label"])["voxels"].sum()
    assert counts["case0", "core"] == masks[1].sum()
    found = medseg.evaluate(out, blobs)
    assert not found.failures
    reference = np.asarray(nibabel.load(blobs / "labels" / "case0.nii.gz").dataobj)
    scores = found.cases.set_index(["case", "label"])["dice"]
    for mask, name, truth in zip(masks, ("whole", "core"), (reference > 0, reference == 4), strict=True):
        assert scores["case0", name] == pytest.approx(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
    by_files = medseg.evaluate(out, blobs / "labels", REGIONS).cases.set_index(["case", "label"])
    pd.testing.assert_series_equal(by_files["dice"].sort_index(), scores.sort_index())


def test_a_threshold_of_a_label_is_kept_in_the_plan(config: Path, blobs: Path, tmp_path: Path) -> None:
    trained = medseg.train(config, "plan.postprocessing.threshold={core: 0.6}", epochs=1)
    model = medseg.load_model(trained.folder)
    segmentation = model.segment(blobs / "images" / "case0.nii.gz", probabilities=True)
    assert segmentation.probabilities is not None
    clear = np.abs(segmentation.probabilities[0] - 0.5) > 1e-3  # float16 rounds
    np.testing.assert_array_equal((segmentation.mask[0] == 1)[clear], (segmentation.probabilities[0] >= 0.5)[clear])
    np.testing.assert_array_equal(segmentation.mask[1] == 1, segmentation.probabilities[1] >= 0.6)


@pytest.mark.parametrize("name", ["cl_dice", "hausdorff"])
def test_losses_of_shape_train_on_either_kind_of_labels(config: Path, name: str) -> None:
    few = ["learning.steps_per_epoch=1", f"loss.name={name}"]
    few += ["loss.class_weights=balanced"] if name == "hausdorff" else []
    trained = medseg.train(config, *few, epochs=1)
    assert np.isfinite(trained.history["loss"]).all()
    exclusive = medseg.train(config, *few, epochs=1, labels={"low": 1, "high": 4}, out=trained.run / "other")
    assert np.isfinite(exclusive.history["loss"]).all()


def test_values_become_channels_with_what_is_ignored_in_all_of_them() -> None:
    labels = Labels.from_config({"whole": [1, 4], "core": 4, "ignore": 9, "overlapping": True})
    found = labels.to_channels(np.array([0, 1, 4, 9]))
    assert found.tolist() == [[0, 1, 1, IGNORE_INDEX], [0, 0, 1, IGNORE_INDEX]]
    assert labels.to_channels(np.array([0.0, 3.9999])).tolist() == [[0, 1], [0, 1]]
    with pytest.raises(LabelError, match=r"here: label values \[2\] are not declared"):
        labels.to_channels(np.array([0, 2]), "here")


def test_a_value_that_nobody_declared_is_told_with_its_file(blobs: Path) -> None:
    case = open_dataset(blobs, labels=REGIONS).cases[0]
    with pytest.raises(LabelError, match=r"case0 .*case0\.nii\.gz.*label values \[1\] are not declared"):
        read_indices(case, Labels.from_config({"core": 4, "overlapping": True}), read_case_image(case))


def test_targets_come_to_the_networks_grid_by_at_least_half_of_a_voxel(blobs: Path) -> None:
    case = open_dataset(blobs, labels=REGIONS).cases[0]
    image, plan = read_case_image(case), plan_3d(labels=REGIONS.to_config(), spacing_mm=(2.0, 2.0, 2.0))
    way = prepare(image, plan).restoration
    targets = prepare_labels(read_targets(case, REGIONS, image), way)
    assert targets.shape == (2, *way.working_shape)
    exclusive = Labels.from_config({"low": 1, "high": 4})
    indices = prepare_labels(read_targets(case, exclusive, image), way)
    assert (targets[1] == (indices == 2)).float().mean() > 0.99
    unjudged = replace(case, annotated=("whole",))
    assert (prepare_labels(read_targets(unjudged, REGIONS, image), way)[1] == IGNORE_INDEX).all()


def test_logits_come_back_as_channels_and_probabilities_on_the_native_grid(blobs: Path) -> None:
    image = read_case_image(open_dataset(blobs, labels=REGIONS).cases[0])
    way = prepare(image, plan_3d(spacing_mm=(1.0, 1.0, 1.5))).restoration
    logits = torch.randn(2, *way.working_shape)
    mask, shares = restored(logits, way, exclusive=False, probabilities=True)
    assert mask.shape == shares.shape == (2, *image.geometry.shape)
    clear = np.abs(shares - 0.5) > 1e-3  # float16 rounds
    np.testing.assert_array_equal(mask[clear], (shares >= 0.5)[clear])
    turned = way.turn.apply(shares)
    np.testing.assert_allclose(turned, logits.sigmoid().numpy(), atol=1e-3)


def test_channels_are_scored_like_masks_of_their_own() -> None:
    rng = np.random.default_rng(0)
    said, true = rng.integers(0, 2, (2, 2, 6, 7, 5)).astype(np.uint8)
    true[:, :2] = IGNORE_INDEX
    one = Labels.from_config({"any": 1, "ignore": 255})
    found = overlaps(said, true, REGIONS)
    for place, name in enumerate(REGIONS.names):
        (alone,) = overlaps(said[place], true[place], one)
        assert found[place] == replace(alone, label=name)
    rows = score_case(said, true, REGIONS, geometry=Geometry.from_spacing(said.shape[1:], None), judged=("core",))
    assert [np.isnan(row["dice"]) for row in rows] == [True, False]
    assert rows[1]["dice"] == pytest.approx(found[1].dice)


def test_a_mask_a_label_without_a_word_on_labels_is_refused_by_name(blobs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "case0"
    folder.mkdir(parents=True)
    (folder / "mask_core.nii.gz").write_bytes((blobs / "labels" / "case0.nii.gz").read_bytes())
    found = medseg.evaluate(tmp_path / "out", blobs / "labels", Labels.from_config({"low": 1, "high": 4}))
    assert "holds a mask for each label" in found.failures[0][1]
    found = medseg.evaluate(tmp_path / "out", blobs / "labels", REGIONS)
    assert "no file of the label 'whole', expected mask_whole.nii.gz" in found.failures[0][1]


def test_voxels_of_classes_are_those_that_were_judged() -> None:
    plan = plan_3d(labels=REGIONS.to_config())
    targets = np.array([[0, 1, 1, 255], [0, 0, 1, 255]], np.uint8)[..., None, None]
    case = CachedCase("a", np.zeros((1, 4, 1, 1), np.float32), targets, (True, True), ())
    assert class_voxels([case, case], plan) == (4, 2)
    flat = replace(case, targets=np.array([0, 0, 2, 255], np.uint8)[:, None, None])
    assert class_voxels([flat], plan_3d()) == (2, 0, 1)


def test_ignored_structures_stay_unjudged_where_no_label_is_drawn(tmp_path: Path) -> None:
    affine, shape = np.eye(4), (3, 4, 5)
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.float32), affine), tmp_path / "a.nii.gz")
    for name, row in (("lung", 0), ("heart", 1), ("device", slice(1, 3))):
        drawn = np.zeros(shape, np.uint8)
        drawn[row] = 1
        nibabel.save(nibabel.Nifti1Image(drawn, affine), tmp_path / f"{name}.nii.gz")
    names = ("lung", "heart", "device")
    files = tuple(tmp_path / f"{name}.nii.gz" for name in names)
    case = Case("a", "p", (tmp_path / "a.nii.gz",), files, structures=names)
    labels = Labels.from_config({"lung": ["lung"], "heart": ["heart"], "ignore": "device", "overlapping": True})
    found = read_indices(case, labels, read_case_image(case))
    assert found[:, :, 0, 0].tolist() == [[1, 255, 255], [0, 1, 255]]
