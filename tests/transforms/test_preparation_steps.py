"""A config's list of steps: checked with the allowed names told, filled in, kept with the model, used end to end."""

import nibabel
import numpy as np
import pytest

import medseg
from medseg.config import check
from medseg.errors import ConfigError
from medseg.plan import read_plan
from medseg.training.settings import TrainSettings
from medseg.transforms.preparation.steps import STEPS, build_steps, checked_steps


def test_names_and_mappings_are_filled_in_and_built():
    steps = checked_steps(["remove_labels", {"clahe": {"clip_limit": 0.02}}, {"crop_to_breast": None}])
    assert steps == (
        {"remove_labels": {"largest": 0.25}},
        {"clahe": {"clip_limit": 0.02, "tiles": 8}},
        {"crop_to_breast": {"margin": 0.02}},
    )
    assert [type(step) for step in build_steps(steps)] == [STEPS[name] for step in steps for name in step]


def test_every_step_checks_and_keeps_every_parameter():
    for name in STEPS:
        given = {"lower": 1, "upper": 5} if name == "window" else {}
        (once,) = checked_steps([{name: given}])
        assert checked_steps([once]) == (once,)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("remove_lables", "Did you mean 'remove_labels'.*"),
        ("sharpen", "expected one of clahe, crop_to_breast, median_denoise"),
        ({"clahe": {"clip": 0.1}}, "preparation.clahe: clip .*Its parameters are: clip_limit, tiles"),
        ({"clahe": {"clip_limit": 3}}, "clip_limit = 3 .*less than or equal to 1"),
        ({"clahe": 3}, "expected a mapping"),
        ({"clahe": {}, "window": {}}, "one name with its parameters"),
        ("window", "lower .*missing"),
        ({"window": {"lower": 5, "upper": 5}}, "must be below"),
        (7, "a name, or one name"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(entry, words):
    with pytest.raises(ConfigError, match=words):
        checked_steps([entry])
    with pytest.raises(ConfigError, match=words):
        check(TrainSettings, {"dataset": "x", "epochs": 1, "preparation": [entry]}, "config.yaml")


def test_training_with_preparation_predicts_onto_the_pixels_of_the_radiograph(mammograms, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
dataset: {mammograms}
labels: {{mass: 255}}
out: {tmp_path / "run"}
epochs: 1
test: 0
validation: 0.34
preparation: [remove_border, remove_labels, crop_to_breast, normalise_laterality, {{clahe: {{clip_limit: 0.02}}}}]
plan: {{patch_size: [64, 64], network: {{features: [8, 16, 16]}}}}
learning: {{steps_per_epoch: 2, validations: 1, precision: fp32, device: cpu}}
"""
    )
    trained = medseg.train(config)
    plan = read_plan(trained.folder / "plan.json")
    assert [name for step in plan.preparation for name in step][-1] == "clahe"
    assert not plan.portable
    assert "preparation remove_border, remove_labels" in (trained.folder / "README.md").read_text()
    case = next(iter(sorted((mammograms).rglob("*.png"))))
    image = medseg.read_image(case)
    segmentation = medseg.load_model(trained.folder, device="cpu").segment(image)
    assert segmentation.mask.shape == image.geometry.shape
    constant = medseg.Image(np.zeros_like(image.voxels), image.geometry)
    notes = medseg.load_model(trained.folder, device="cpu").segment(constant).notes
    assert any(note.startswith("crop_to_breast: no breast") for note in notes)


def test_fine_tuning_keeps_the_earlier_preparation_or_takes_a_new_one(blob_config, blobs, tmp_path):
    medseg.train(blob_config, "preparation=[median_denoise]")
    first = read_plan(tmp_path / "run" / "plan.json")
    assert first.preparation == ({"median_denoise": {"radius": 1}},)
    again = f"init={tmp_path / 'run'}"
    medseg.train(blob_config, again, f"out={tmp_path / 'kept'}", "epochs=1")
    assert read_plan(tmp_path / "kept" / "plan.json").preparation == first.preparation
    medseg.train(blob_config, again, f"out={tmp_path / 'new'}", "epochs=1", "preparation=[clahe]")
    new = read_plan(tmp_path / "new" / "plan.json")
    assert "clahe" in new.preparation[0]
    assert not new.portable


def test_intensities_are_looked_at_after_the_preparation(blobs, blob_config, tmp_path):
    medseg.train(
        blob_config, "modality=CT", "epochs=1", "preparation=[{window: {lower: 0, upper: 400}}]", out=tmp_path / "ct"
    )
    (normalisation,) = read_plan(tmp_path / "ct" / "plan.json").normalisation
    assert normalisation.method == "ct"
    assert 0 <= normalisation.lower < normalisation.upper <= 1
    assert nibabel.load(blobs / "images" / "case0.nii.gz").get_fdata().max() > 300
