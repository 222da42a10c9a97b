"""The model folder runs in plain MONAI, where medseg cannot be imported, and says the same."""

import json
import shlex

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image as Picture
from plain_monai import in_plain_monai
from plans import plan_2d, plan_3d, untrained_model
from safetensors.torch import load_file

import medseg
from medseg.errors import ModelFolderError
from medseg.export.bundle import bundle_command
from medseg.plan import Normalisation


def run_in_plain_monai(model, image, out, tmp_path):
    in_plain_monai(shlex.split(bundle_command(model, str(image), str(out)))[1:], tmp_path)
    (written,) = out.iterdir()
    return written


def dice(one, two, value):
    return 2 * ((one == value) & (two == value)).sum() / ((one == value).sum() + (two == value).sum())


OBLIQUE = np.array([[0.1, -0.78, 0.3, 20], [0.75, 0.1, 0.4, -30], [-0.2, 0.1, 2.9, 5], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("affine", "normalisation"),
    [
        (np.diag([1.0, 1.0, 1.0, 1.0]), Normalisation(method="zscore")),
        (OBLIQUE, Normalisation(method="ct", lower=-100, upper=300, mean=80, sd=40)),
        (OBLIQUE[:, [2, 0, 1, 3]] * [-1, 1, 1, 1], Normalisation(method="percentile", lower=2, upper=98)),
    ],
    ids=["isotropic", "oblique anisotropic", "oblique permuted flipped"],
)
@pytest.mark.parametrize("resampling", ["linear", "cubic"])
def test_volumes_are_segmented_alike(affine, normalisation, resampling, tmp_path):
    changes = {"labels": {"a": 1, "b": 7}, "crop_above": 0.0, "resampling": resampling}
    plan = plan_3d(normalisation=(normalisation,), **changes)
    model = untrained_model(tmp_path / "model", plan)
    voxels = np.random.default_rng(0).normal(100, 30, (24, 30, 21)).astype(np.float32)
    voxels[:4] = 0
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "scan.nii.gz")
    written = nibabel.load(run_in_plain_monai(model, tmp_path / "scan.nii.gz", tmp_path / "out", tmp_path))
    ours = medseg.load_model(model, portable=True).segment(tmp_path / "scan.nii.gz")
    theirs = np.asarray(written.dataobj)
    assert set(np.unique(theirs)) == {0, 1, 7}
    assert min(dice(theirs, ours.mask, value) for value in (1, 7)) >= 0.999
    assert np.allclose(written.affine, ours.geometry.affine, atol=1e-5)


@pytest.mark.parametrize("shape", [(90, 70), (90, 70, 3), (90, 70, 4)], ids=["grey", "colour", "transparency"])
def test_a_radiograph_is_segmented_alike(shape, tmp_path):
    model = untrained_model(tmp_path / "model", plan_2d())
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "chest.png")
    written = run_in_plain_monai(model, tmp_path / "chest.png", tmp_path / "out", tmp_path)
    ours = medseg.load_model(model, portable=True).segment(tmp_path / "chest.png")
    with Picture.open(written) as picture:
        theirs = np.asarray(picture).T
    assert set(np.unique(theirs)) == {0, 255}
    assert dice(theirs, ours.mask, 255) >= 0.999


def test_the_folder_has_what_a_bundle_needs_and_safe_weights(tmp_path):
    model = untrained_model(tmp_path / "model", plan_3d())
    metadata = json.loads((model / "configs" / "metadata.json").read_text())
    for key in ("version", "changelog", "monai_version", "pytorch_version", "numpy_version", "network_data_format"):
        assert metadata[key]
    safe = load_file(model / "models" / "model.safetensors")
    plain = torch.load(model / "models" / "model.pt", weights_only=True)
    assert safe
    assert all(torch.equal(safe[name], plain[name]) for name in safe)
    assert (model / "models" / "model.pt").stat().st_size < 1.5 * (
        model / "models" / "model.safetensors"
    ).stat().st_size
    assert str(tmp_path) not in (model / "README.md").read_text()


def test_a_plan_that_monai_cannot_repeat_has_no_inference_config(tmp_path):
    plan = plan_2d(spacing_mm=(0.5, 0.5), longest_side=None, portable=False)
    model = untrained_model(tmp_path / "model", plan)
    assert not (model / "configs" / "inference.json").exists()
    assert "medseg only" in (model / "README.md").read_text()


@pytest.mark.parametrize("missing", ["plan.json", "models/model.safetensors"])
def test_an_incomplete_model_folder_is_refused_by_the_missing_file(missing, tmp_path):
    model = untrained_model(tmp_path / "model", plan_3d())
    (model / missing).unlink()
    with pytest.raises(ModelFolderError, match=missing):
        medseg.load_model(model)


def test_weights_of_another_plan_are_refused(tmp_path):
    one = untrained_model(tmp_path / "one", plan_3d())
    two = untrained_model(tmp_path / "two", plan_3d(labels={"only": 1}))
    (one / "models" / "model.safetensors").write_bytes((two / "models" / "model.safetensors").read_bytes())
    with pytest.raises(ModelFolderError, match="one training"):
        medseg.load_model(one)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelFolderError):
        medseg.load_model(tmp_path)
    with pytest.raises(ModelFolderError, match="is not a folder"):
        medseg.load_model(tmp_path / "nowhere")
