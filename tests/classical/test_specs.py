"""What is said of a classical method in a word, what it says of itself, and how it runs as any model."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phantoms import ball_image

import medseg
from medseg.classical import METHODS, Classical, Part, open_classical
from medseg.classical.methods import checked_options
from medseg.errors import ConfigError, ModelFolderError
from medseg.image import Segmentation
from medseg.io import write_mask


def test_a_word_gives_method_options_and_label():
    model = open_classical("classical:connected,seeds=[[1, 2, 3], [4, 5, 6]],tolerance=0.3,label=lesion,value=255")
    (part,) = model.parts
    assert part.method == "connected"
    assert part.options.seeds == ((1, 2, 3), (4, 5, 6))
    assert part.told == {"seeds": [[1, 2, 3], [4, 5, 6]], "tolerance": 0.3}
    assert model.labels.to_config() == {"background": [0], "lesion": [255]}
    assert model.settings["method"] == "connected"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("classical:otzu", "no classical method 'otzu'. Did you mean 'otsu'?"),
        ("classical:", "names no method. Choose one of threshold, percentile"),
        ("classical:otsu,sid=dark", "unknown key 'sid'. Did you mean 'side'?"),
        ("classical:otsu,side=grey", "side = 'grey'"),
        ("classical:otsu,dark", "'dark' is not key=value. Write classical:otsu,key=value,...; `medseg info"),
        ("classical:threshold", "a threshold needs low, high or both"),
        ("classical:threshold,low=9,high=3", "low=9 is above high=3"),
        ("classical:kmeans,classes=2,take=3", "take [3] of 2 classes: ranks go from 1 to 2"),
        ("classical:hysteresis,low=50,high=20", "low=50 is stricter than high=20"),
        ("classical:hysteresis,low=50,high=120", "percentiles go from 0 to 100"),
        ("classical:watershed,inside=40,outside=60", "outside=60 leaves nothing to decide"),
        ("classical:edges,low=0.9,high=0.5", "low=0.9 is stricter"),
        ("classical:percentile,low=[", "'low=[' cannot be read"),
    ],
)
def test_a_mistake_in_a_word_is_told(word, told):
    with pytest.raises(ConfigError) as caught:
        medseg.load_model(word)
    assert told in str(caught.value)


def test_what_networks_are_told_is_refused():
    with pytest.raises(ConfigError, match="speed: has no meaning for classical:otsu"):
        medseg.load_model("classical:otsu", speed="fast")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from([name for name in METHODS if name != "threshold"]),
    smoothing=st.floats(0, 9),
    largest=st.booleans(),
    size=st.floats(0, 99),
)
def test_a_model_comes_back_from_what_it_says(tmp_path_factory, name, smoothing, largest, size):
    model = open_classical(f"classical:{name},smoothing_mm={smoothing!r},largest={largest},min_size={size!r}")
    folder = tmp_path_factory.mktemp("model")
    (folder / "classical.json").write_text(json.dumps(dict(model.description)))
    back = medseg.load_model(folder)
    assert isinstance(back, Classical)
    assert back.parts == model.parts
    assert back.hash == model.hash


def test_a_broken_file_is_refused_by_name(tmp_path):
    (tmp_path / "classical.json").write_text('{"parts": [{"label": "a"}]}')
    with pytest.raises(ModelFolderError, match=r"classical.json: is no fitted classical method"):
        medseg.load_model(tmp_path)


def test_info_lists_the_methods_and_what_each_can_be_told():
    assert set(medseg.model_info("classical:")["methods"]) == set(METHODS)
    told = medseg.model_info("classical:hysteresis")
    assert told["parameters"]["low"].startswith("85. The loose threshold")
    assert "smoothing_mm" in told["parameters"]
    assert "Canny 1986" in told["source"]
    with pytest.raises(ConfigError, match="Did you mean 'kmeans'"):
        medseg.model_info("classical:kmean")


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Two volumes: a ball, and nothing but one value."""
    folder = tmp_path_factory.mktemp("studies")
    image, truth = ball_image((40, 36, 14), (1.0, 1.0, 2.5))
    for name, voxels in (("ball", image.voxels[0]), ("flat", np.full(truth.shape, 5.0))):
        labels = medseg.Labels.from_config({"any": 1})
        write_mask(folder / f"{name}.nii.gz", Segmentation(np.rint(voxels).astype(np.int16), image.geometry, labels))
    return folder


def test_predict_takes_a_word_as_any_model(studies, tmp_path):
    done = medseg.predict("classical:otsu,smoothing_mm=1", studies, tmp_path)
    assert list(done.cases["case"]) == ["ball", "flat"]
    assert done.cases["classical_found"][0].startswith("Otsu threshold")
    assert done.cases["warnings"][0] == ""
    assert "nothing found" in done.cases["warnings"][1]
    (region,) = done.regions.query("case == 'ball' and voxels > 100").to_dict("records")
    assert region["volume_ml"] == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.05)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["settings"]["parameters"] == {"foreground": {"smoothing_mm": 1.0}}
    assert record["model_sha256"] == medseg.load_model("classical:otsu,smoothing_mm=1").hash
    for name in ("ball/mask.nii.gz", "ball/preview.png", "cases.csv", "regions.csv", "totals.csv"):
        assert (tmp_path / name).is_file()


def test_probabilities_are_written_or_refused_before_any_case(studies, tmp_path):
    medseg.predict("classical:gmm,classes=2", studies, tmp_path / "a", probabilities=True)
    assert np.load(tmp_path / "a" / "ball" / "probabilities.npy").shape == (1, 40, 36, 14)
    with pytest.raises(ConfigError, match=r"otsu has none\. Leave them away"):
        medseg.predict("classical:otsu", studies, tmp_path / "b", probabilities=True)
    assert not (tmp_path / "b").exists()


def test_no_torch_is_loaded_to_predict(studies, tmp_path):
    words = ["medseg", "predict", "classical:kmeans,classes=2", str(studies), "--out", str(tmp_path), "--jobs", "0"]
    code = f"import sys, medseg.cli\nsys.argv = {words!r}\ntry: medseg.cli.main()\nexcept SystemExit: pass\n"
    code += "print(*sorted({'torch', 'monai', 'medseg'} & {name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "medseg"
    assert (tmp_path / "ball" / "mask.nii.gz").is_file()


def _two(exclusive, dice):
    labels = medseg.Labels.from_config({"soft": 1, "hard": 7} | ({} if exclusive else {"overlapping": True}))
    bands = {"soft": {"low": 50.0}, "hard": {"low": 150.0}}
    parts = tuple(
        Part(name, "threshold", checked_options("threshold", bands[name]), dice[name]) for name in labels.names
    )
    return Classical(parts, labels)


@pytest.mark.parametrize(("better", "kept"), [("hard", 7), ("soft", 1)])
def test_a_voxel_that_two_labels_claim_goes_to_the_one_with_the_greater_dice(better, kept):
    image, truth = ball_image((40, 40), (1.0, 1.0))
    model = _two(True, {"soft": 0.5, "hard": 0.5} | {better: 0.9})
    found = model.segment(image)
    assert set(np.unique(found.mask[truth])) == {kept}
    assert set(np.unique(found.mask[~truth])) == {1}
    assert found.notes == (
        "soft: everything found, so that nothing is told apart: " + found.notes[0].split("apart: ")[1],
    )


def test_labels_that_overlap_are_a_channel_each():
    image, truth = ball_image((40, 40), (1.0, 1.0))
    found = _two(False, {"soft": 0.5, "hard": 0.9}).segment(image)
    assert found.of("soft").all()
    np.testing.assert_array_equal(found.of("hard"), truth)


def test_probabilities_of_labels_that_exclude_one_another_are_no_more_than_one_together():
    image, _truth = ball_image((40, 40), (1.0, 1.0), noise=60)
    labels = medseg.Labels.from_config({"a": 1, "b": 2})
    parts = tuple(
        Part(name, "gmm", checked_options("gmm", {"classes": classes}), 0.5) for name, classes in (("a", 2), ("b", 3))
    )
    shares = Classical(parts, labels).segment(image, probabilities=True).probabilities
    assert shares.shape == (2, 40, 40)
    assert 0.9 < shares.astype(float).sum(axis=0).max() <= 1.001
