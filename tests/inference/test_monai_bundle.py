"""Bundles of others: run only where trusted, equal to plain MONAI, on the image's own grid or refused."""

import json
import shutil
import sys

import nibabel
import numpy as np
import pytest
from foreign_bundles import PREPARATION, zoo_bundle
from PIL import Image as Picture
from plain_monai import in_plain_monai
from plans import plan_2d, plan_3d, untrained_model

import medseg
from medseg.errors import ConfigError, GeometryError, InputError, LabelError, ModelFolderError

OBLIQUE = np.array([[0.1, -0.78, 0.3, 20], [0.75, 0.1, 0.4, -30], [-0.2, 0.1, 2.9, 5], [0, 0, 0, 1]])
FLIPPED = np.array([[0, -1.2, 0, 40], [0, 0, 2.5, -10], [1.0, 0, 0, 7], [0, 0, 0, 1]])


@pytest.fixture
def scan(tmp_path):
    voxels = np.random.default_rng(0).normal(100, 30, (24, 30, 21)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, FLIPPED), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def without_plan(model):
    (model / "plan.json").unlink()
    return model


@pytest.mark.parametrize(
    "affine", [np.diag([1.0, 1.0, 1.0, 1.0]), OBLIQUE, FLIPPED], ids=["plain", "oblique", "flipped"]
)
@pytest.mark.parametrize(
    "labels", [{"a": 1, "b": 7}, {"a": 1, "b": 1, "overlapping": True}], ids=["exclusive", "overlapping"]
)
def test_our_own_bundle_without_its_plan_gives_the_same_mask(affine, labels, tmp_path):
    model = untrained_model(tmp_path / "model", plan_3d(labels=labels))
    voxels = np.random.default_rng(0).normal(100, 30, (24, 30, 21)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "scan.nii.gz")
    ours = medseg.load_model(model, portable=True, device="cpu").segment(tmp_path / "scan.nii.gz")
    theirs = medseg.load_model(without_plan(model), trusted=True, device="cpu").segment(tmp_path / "scan.nii.gz")
    assert theirs.labels.names == ours.labels.names
    assert theirs.geometry.same_as(ours.geometry)
    assert set(np.unique(theirs.mask)) == set(np.unique(ours.mask))
    assert (theirs.mask == ours.mask).mean() > 0.9999


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_our_own_bundle_of_radiographs_gives_the_same_mask(dtype, tmp_path):
    model = untrained_model(tmp_path / "model", plan_2d())
    pixels = np.random.default_rng(0).integers(0, 255, (90, 70)).astype(dtype)
    Picture.fromarray(pixels).save(tmp_path / "chest.png")
    ours = medseg.load_model(model, portable=True, device="cpu").segment(tmp_path / "chest.png")
    theirs = medseg.load_model(without_plan(model), trusted=True, device="cpu").segment(tmp_path / "chest.png")
    assert set(np.unique(theirs.mask)) == {0, 255}
    assert (theirs.mask == ours.mask).mean() > 0.999


@pytest.mark.parametrize("setting", [{}, {"trusted": False}])
def test_a_bundle_that_is_not_trusted_runs_nothing(setting, tmp_path):
    witness = tmp_path / "ran"
    bundle = zoo_bundle(tmp_path / "bundle", imports=[f"$open({str(witness)!r}, 'w')"])
    with pytest.raises(ModelFolderError, match=r"is code.*--trust"):
        medseg.load_model(bundle, **setting)
    medseg.model_info(bundle)
    assert not witness.exists()


RUN_ALL = """
import sys
from monai.bundle import run

data, *bundles = sys.argv[1:]
for bundle in bundles:
    config = bundle + "/configs/inference.yaml"
    own = {"dataset_dir": data, "output_dir": bundle + "/masks", "dataloader#num_workers": 0}
    run(config_file=config, bundle_root=bundle, **own)
"""


def test_bundles_in_the_style_of_the_zoo_answer_as_in_monai_alone(scan, tmp_path):
    bundles = [zoo_bundle(tmp_path / "weights"), zoo_bundle(tmp_path / "program", program=True)]
    (tmp_path / "data" / "imagesTs").mkdir(parents=True)
    shutil.copy(scan, tmp_path / "data" / "imagesTs")
    in_plain_monai(["-c", RUN_ALL, str(tmp_path / "data"), *map(str, bundles)], tmp_path)
    for bundle in bundles:
        (written,) = (bundle / "masks").rglob("*.nii.gz")
        wanted = np.asarray(nibabel.load(written).dataobj)
        model = medseg.load_model(bundle, trusted=True, device="cpu")
        first, again = model.segment(scan), model.segment(scan)
        assert len(np.unique(wanted)) > 1
        assert (first.mask == wanted).mean() > 0.9999
        assert np.array_equal(first.mask, again.mask)
        assert len(model.hash) == 64
        assert first.labels.names == ("liver", "tumour")
        assert not (bundle / "eval").exists()


def test_a_bundle_joins_a_batch_with_regions(scan, tmp_path):
    bundle = zoo_bundle(tmp_path / "bundle")
    path = list(sys.path)
    done = medseg.predict(bundle, [scan], tmp_path / "out", trusted=True, device="cpu", jobs=0)
    assert list(done.cases["status"]) == ["done"]
    assert set(done.regions["label"]) <= {"liver", "tumour"}
    assert len(done.regions)
    assert nibabel.load(tmp_path / "out" / "scan" / "mask.nii.gz").shape == (24, 30, 21)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["engine"] == "MONAI bundle"
    assert sys.path == path


def test_an_answer_on_the_networks_grid_is_brought_back_and_said(scan, tmp_path):
    there = medseg.load_model(zoo_bundle(tmp_path / "one"), trusted=True, device="cpu").segment(scan)
    bundle = zoo_bundle(tmp_path / "two", inverse=False)
    here = medseg.load_model(bundle, trusted=True, device="cpu").segment(scan)
    assert any("resampled" in note for note in here.notes)
    inner = (slice(2, -2),) * 3
    assert (there.mask[inner] == here.mask[inner]).mean() > 0.75  # noise of single voxels, labels instead of shares


def _changed(transforms):
    return {"_target_": "Compose", "transforms": transforms}


def test_an_answer_whose_place_is_doubtful_is_refused(scan, tmp_path):
    cropped = _changed([{"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: x[:, 1:].as_tensor()"}])
    bundle = zoo_bundle(tmp_path / "bundle", postprocessing=cropped)
    with pytest.raises(GeometryError, match="doubtful"):
        medseg.load_model(bundle, trusted=True, device="cpu").segment(scan)


def test_values_that_nobody_named_are_refused_and_named_ones_kept(scan, tmp_path):
    mapped = _changed(
        [
            {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: torch.where(x == 2, 4, x)"},
        ]
    )
    bundle = zoo_bundle(tmp_path / "bundle", postprocessing=mapped)
    with pytest.raises(LabelError, match=r"values 4.*label_values"):
        medseg.load_model(bundle, trusted=True, device="cpu").segment(scan)
    described = json.loads((bundle / "configs" / "metadata.json").read_text())
    described["label_values"] = {"liver": 1, "tumour": 4}
    (bundle / "configs" / "metadata.json").write_text(json.dumps(described))
    mask = medseg.load_model(bundle, trusted=True, device="cpu").segment(scan).mask
    assert set(np.unique(mask)) == {0, 1, 4}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"evaluator": None}, "evaluator"),
        ({"dataset": {"_target_": "Dataset", "data": []}}, "dataset.transform"),
        ({"network_def": {"_target_": "NoSuchNetwork"}}, "NoSuchNetwork"),
        (
            {
                "preprocessing": _changed(
                    [*PREPARATION[:2], {"_target_": "Lambdad", "keys": "image", "func": "$lambda x: x.nowhere"}]
                )
            },
            "nowhere",
        ),
    ],
    ids=["no evaluator", "no preparation", "unknown class", "fails"],
)
def test_a_bundle_that_cannot_run_is_told_by_its_config(changes, told, scan, tmp_path):
    bundle = zoo_bundle(tmp_path / "bundle", **changes)
    with pytest.raises(ModelFolderError, match=told) as raised:
        medseg.load_model(bundle, trusted=True, device="cpu").segment(scan)
    assert "inference.yaml" in str(raised.value)


def test_other_channels_and_dimensions_than_the_bundles_are_refused(scan, tmp_path):
    model = medseg.load_model(zoo_bundle(tmp_path / "bundle"), trusted=True, device="cpu")
    image = medseg.read_image(scan)
    twice = medseg.Image(np.concatenate([image.voxels] * 2), image.geometry)
    with pytest.raises(InputError, match="2 channel"):
        model.segment(twice)
    flat = medseg.Image(image.voxels[..., 0], medseg.Geometry.from_spacing((24, 30), None))
    with pytest.raises(InputError, match="2D"):
        model.segment(flat)


def test_a_bundle_that_does_not_say_what_it_finds_is_refused(tmp_path):
    bundle = zoo_bundle(tmp_path / "bundle")
    (bundle / "configs" / "metadata.json").write_text(json.dumps({"version": "1", "network_data_format": {}}))
    with pytest.raises(ModelFolderError, match="channel_def"):
        medseg.load_model(bundle, trusted=True)


@pytest.mark.parametrize(
    "setting", [{"precision": "bf16"}, {"backend": "onnx"}, {"speed": "fast"}, {"max_memory": "6GiB"}]
)
def test_what_a_bundle_decides_by_itself_is_not_passed_over(setting, tmp_path):
    bundle = zoo_bundle(tmp_path / "bundle")
    with pytest.raises(ConfigError, match=f"{next(iter(setting))}.*bundle"):
        medseg.load_model(bundle, trusted=True, **setting)


def test_probabilities_are_refused_and_non_finite_voxels_told(scan, tmp_path):
    model = medseg.load_model(zoo_bundle(tmp_path / "bundle"), trusted=True, device="cpu")
    with pytest.raises(InputError, match="probabilities"):
        model.segment(scan, probabilities=True)
    image = medseg.read_image(scan)
    voxels = image.voxels.copy()
    voxels[0, 3, 4, 5] = np.nan
    assert "non-finite voxels were taken as 0" in model.segment(medseg.Image(voxels, image.geometry)).notes
