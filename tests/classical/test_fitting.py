"""Fitting finds what was planted, on the cases that the split gives it, and leaves a run as a training does."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from phantoms import ball_image, dice, image_of

import medseg
from medseg.classical import METHODS, Part
from medseg.classical.axes import axes_of
from medseg.classical.facts import QUANTILES, case_facts, label_facts
from medseg.classical.methods import checked_options
from medseg.classical.searching import coarse, search, steps_from
from medseg.classical.segmenter import Classical
from medseg.errors import ConfigError, DatasetError, MedsegError
from medseg.image import Segmentation
from medseg.io import write_mask

LABELS = {"core": 1, "rim": 2}
CORE, RIM = (300, 400), (180, 260)  # of bands that a threshold finds exactly


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Ten pictures: a rim about a core, on a ground in which bright dots are no core."""
    folder = tmp_path_factory.mktemp("data")
    labels = medseg.Labels.from_config(LABELS)
    rows = []
    for number in range(10):
        rng = np.random.default_rng(number)
        x, y = np.meshgrid(np.arange(48) - 24 - number % 3, np.arange(40) - 20, indexing="ij")
        far = np.hypot(x, y)
        truth = np.where(far < 6, 1, np.where(far < 12, 2, 0)).astype(np.uint8)
        voxels = np.where(truth == 1, rng.uniform(*CORE, far.shape), rng.uniform(0, 170, far.shape))
        voxels = np.where(truth == 2, rng.uniform(*RIM, far.shape), voxels)
        voxels[1, 1:30:3] = 900
        image = image_of(np.rint(voxels).astype(np.uint16))
        for kind, values in (("image", image.voxels[0]), ("label", truth)):
            write_mask(folder / f"{kind}{number}.nii.gz", Segmentation(values[..., None], _flat(), labels))
        files = {kind: f"{kind}{number}.nii.gz" for kind in ("image", "label")}
        rows.append({"id": f"c{number}", "patient": f"p{number}", **files})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder


def _flat() -> medseg.Geometry:
    return medseg.Geometry.from_spacing((48, 40, 1), (1.0, 1.0, 1.0))


def config(folder, dataset, **values):
    path = folder / "config.yaml"
    told = {"name": "fit", "dataset": str(dataset), "labels": LABELS, "out": str(folder / "run"), "jobs": 1}
    path.write_text(yaml.safe_dump(told | values))
    return path


@pytest.fixture(scope="module")
def fitted(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    return config(folder, dataset, model="classical:threshold", budget=40), folder


def test_a_planted_band_is_found_for_each_label(fitted):
    path, _folder = fitted
    done = medseg.train(path)
    model = medseg.load_model(done.run)
    core, rim = model.parts
    assert 260 <= core.options.low <= 320
    assert core.options.high is None or core.options.high >= 380  # the brighter dots are not its largest component
    assert 165 <= rim.options.low <= 195
    assert 245 <= rim.options.high <= 300
    assert min(core.dice, rim.dice) > 0.95
    assert done.validation_dice > 0.95
    table = pd.read_csv(done.run / "fit.csv")
    assert set(table["stage"]) == {"coarse", "fine", "all"}
    kept = table[table["stage"] == "all"].set_index("label")
    assert kept.loc["core", "dice"] == pytest.approx(core.dice)
    assert (table.groupby("label").size() <= 42).all()
    assert (done.run / "fit.png").stat().st_size > 10_000


def test_the_run_is_left_as_a_training_leaves_it(fitted, dataset, tmp_path):
    path, _folder = fitted
    done = medseg.train(path)
    before = (done.run / "model" / "classical.json").stat().st_mtime_ns
    assert medseg.train(path, "jobs=2").validation_dice == done.validation_dice
    assert (done.run / "model" / "classical.json").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match=r"holds a run with other settings \(budget\)"):
        medseg.train(path, "budget=3")
    summary = json.loads((done.run / "summary.json").read_text())
    assert summary["cases"] == {"train": 7, "validation": 1, "test": 2}
    held_out = medseg.predict(done.run, dataset, tmp_path, part="test")
    assert set(held_out.cases["case"]) == set(done.split.test)
    scores = medseg.evaluate(tmp_path, dataset, medseg.Labels.from_config(LABELS))
    assert scores.cases["dice"].min() > 0.95
    told = medseg.model_info(done.run)
    assert told["cases"] == 7
    assert "low=" in told["parameters"]["core (threshold)"]


def test_the_best_of_several_methods_is_kept_and_a_killed_run_goes_on(dataset, tmp_path):
    path = config(tmp_path, dataset, model="classical:", methods=["otsu", "threshold"], budget=8)
    done = medseg.train(path)
    assert medseg.load_model(done.run).method == "threshold"
    (done.run / "summary.json").unlink()
    kept = json.loads((done.run / "fits" / "otsu.json").read_text())
    kept["parts"] = [part | {"dice": 0.999} for part in kept["parts"]]
    (done.run / "fits" / "otsu.json").write_text(json.dumps(kept))
    assert medseg.load_model(medseg.train(path).run).method == "otsu"  # it was read, and not fitted again


def test_values_of_the_config_are_tried_and_options_of_the_model_stay(dataset, tmp_path):
    path = config(tmp_path, dataset, labels={"core": 1, "background": [0, 2]}, model="classical:threshold,high=500")
    done = medseg.train(path, "fit.low=[10, 290]", "fit.smoothing_mm=[0]", "budget=12")
    (part,) = medseg.load_model(done.run).parts
    assert part.options.high == 500
    assert 150 <= part.options.low <= 290
    tried = done.history.query("stage == 'coarse'")
    assert set(tried["low"]) == {10, 290}
    assert set(done.history["smoothing_mm"]) == {0}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"model": "classical:otzu"}, "Did you mean 'otsu'"),
        ({"model": "unet"}, "model = 'unet'"),
        ({"model": "classical:otsu", "fit": {"lo": [1]}}, "no method that is fitted has the option 'lo'"),
        ({"model": "classical:otsu,side=dark", "fit": {"side": ["dark"]}}, "side is given by the model and searched"),
        ({"model": "classical:otsu", "fit": {"side": []}}, "fit.side lists no value"),
        ({"model": "classical:otsu", "methods": ["gmm"]}, "methods goes with a bare classical:"),
        ({"model": "classical:otsu", "minutes": 3}, "unknown key 'minutes'"),
    ],
)
def test_a_mistake_in_the_config_is_told(dataset, tmp_path, values, told):
    with pytest.raises(MedsegError) as caught:
        medseg.train(config(tmp_path, dataset, **values))
    assert told in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_label_that_no_case_shows_is_refused(dataset, tmp_path):
    with pytest.raises(DatasetError, match="absent in none of the 7 training cases"):
        medseg.train(config(tmp_path, dataset, labels=LABELS | {"absent": 3}, model="classical:otsu"))


def test_no_torch_is_loaded_to_fit(dataset, tmp_path):
    path = config(tmp_path, dataset, model="classical:otsu", budget=2)
    code = f"import sys, medseg\nmedseg.train({str(path)!r})\nprint({{'torch', 'monai'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("inside", [200, 30])
def test_the_likeliest_values_of_every_method_find_a_ball(method, inside):
    image, truth = ball_image((60, 50, 20), (1.0, 1.0, 2.5), inside=inside, noise=15)
    facts = label_facts([case_facts(image, {"ball": truth})], "ball")
    grid = coarse(method, axes_of(method, facts), {}, 1, 0)
    found = Classical((Part("foreground", method, grid[0]),)).segment(image).mask
    assert facts.radius == pytest.approx(12, rel=0.02)
    # A rank among three classes is no more than a guess, which the search moves on from.
    assert dice(found == 1, truth) > (0.0 if method in ("edges", "geodesic") else 0.5), grid[0]


def test_facts_are_those_of_numpy():
    image, truth = ball_image((30, 30), (1.0, 1.0))
    facts = label_facts([case_facts(image, {"ball": truth})], "ball")
    np.testing.assert_allclose(facts.values[0], np.percentile(image.voxels[0][truth], QUANTILES))
    share = (image.voxels[0] < facts.values[0, 4]).mean() * 100
    assert facts.ranks[0, 4] == pytest.approx(share, abs=0.2)
    assert facts.dark == (False,)


def test_the_search_goes_from_the_grid_to_between_its_values():
    def judge(candidates, stage):
        return [1 - abs(one.low - 137) / 1000 - (0 if one.fill_holes else 0.01) for one in candidates]

    axes = {"low": (0.0, 100.0, 200.0, 400.0), "fill_holes": (False, True)}
    best = search("threshold", axes, {"largest": True}, 40, 0, judge)
    assert abs(best.low - 137) < 10
    assert best.fill_holes
    assert best.largest
    assert len(coarse("threshold", axes, {}, 5, 0)) == 5
    near = steps_from("threshold", checked_options("threshold", {"low": 100.0}), axes, {})
    assert [one.low for one in near] == [50, 150, 100]
    assert coarse("kmeans", {"classes": (2,), "take": ((3,), (1,))}, {}, 9, 0)[0].take == (1,)  # no third of two
