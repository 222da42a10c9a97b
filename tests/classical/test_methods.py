"""Each classical method on images whose truth is known, and against the libraries that do its work."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import ball_image, dice, image_of
from skimage import filters, segmentation

from medseg.classical import METHODS, classical
from medseg.errors import ConfigError, InputError, LabelError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.labels import Labels
from medseg.segmenter import Model, Segmenter

FLAT = (80, 70), (1.0, 1.0)
SOLID = (60, 50, 20), (1.0, 1.0, 2.5)
GIVEN = {"threshold": {"low": 150}, "chan_vese": {"iterations": 10}, "geodesic": {"iterations": 10}}
LEAST = {"percentile": 0.75, "hysteresis": 0.95, "edges": 0.94, "geodesic": 0.94, "watershed": 0.95}
# Without a place, an order or a tie in them, so that a turned image gives the turned mask.
TURNABLE = ("threshold", "percentile", "otsu", "multi_otsu", "hysteresis", "kmeans", "gmm", "chan_vese", "geodesic")


def of(name: str, **options: object) -> dict:
    return {**GIVEN.get(name, {}), **options}


@pytest.mark.parametrize(("shape", "spacing"), [FLAT, SOLID], ids=["2D", "anisotropic"])
@pytest.mark.parametrize("name", METHODS)
def test_a_bright_ball_is_found(name, shape, spacing):
    image, truth = ball_image(shape, spacing)
    found = classical(name, **of(name)).segment(image)
    assert dice(found.mask == 1, truth) >= LEAST.get(name, 0.97)
    assert found.geometry is image.geometry


@pytest.mark.parametrize("name", [name for name in METHODS if "side" in METHODS[name].options.model_fields])
def test_a_dark_ball_is_found_when_asked(name):
    image, truth = ball_image(*FLAT, inside=30)
    found = classical(name, Labels.from_config({"cyst": 255}), **of(name, side="dark")).segment(image)
    assert dice(found.mask == 255, truth) >= LEAST.get(name, 0.97)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", [7, np.nan])
def test_an_image_of_one_value_gives_no_mask_or_all_of_it_and_says_so(name, value):
    found = classical(name, **of(name)).segment(image_of(np.full((9, 8), value, np.float32)))
    assert not found.mask.any()
    assert "nothing found" in found.notes[-1]


def test_a_mask_of_everything_is_told():
    found = classical("threshold", low=-1).segment(ball_image(*FLAT)[0])
    assert found.mask.all()
    assert "everything found" in found.notes[0]


@pytest.mark.parametrize("name", METHODS)
def test_voxels_that_are_not_finite_are_background(name):
    image, truth = ball_image(*FLAT)
    image.voxels[0, 40, 35], image.voxels[0, 2, 2] = np.nan, np.inf
    found = classical(name, **of(name)).segment(image)
    assert not found.mask[40, 35]
    assert not found.mask[2, 2]
    assert dice(found.mask == 1, truth) >= LEAST.get(name, 0.97) - 0.01
    assert np.isnan(image.voxels[0, 40, 35])  # the image itself is left as it was


@pytest.mark.parametrize("name", METHODS)
def test_the_same_image_gives_the_same_mask(name):
    image, _truth = ball_image(*FLAT)
    model = classical(name, **of(name))
    np.testing.assert_array_equal(model.segment(image).mask, model.segment(image).mask)


@pytest.mark.parametrize("name", TURNABLE)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 99), flips=st.tuples(*[st.booleans()] * 3), turn=st.permutations(range(3)))
def test_a_turned_image_gives_the_turned_mask(name, seed, flips, turn):
    image, _truth = ball_image((22, 20, 14), (2.0, 2.0, 3.0), noise=30, seed=seed)
    axes = tuple(axis for axis, flip in enumerate(flips) if flip)

    def turned(array: np.ndarray) -> np.ndarray:
        return np.flip(array, axes).transpose(turn)

    model = classical(name, **of(name, smoothing_mm=0 if name == "geodesic" else 2.0))
    steps = [image.geometry.step[axis] for axis in turn]
    other = image_of(np.ascontiguousarray(turned(image.voxels[0])), tuple(steps))
    apart = turned(model.segment(image).mask) != model.segment(other).mask
    # Sums in another order differ in their last digit, and so may a voxel at the very border.
    assert apart.mean() <= 0.001


def test_otsu_is_that_of_scikit_image():
    image, _truth = ball_image(*SOLID)
    found = classical("otsu").segment(image)
    np.testing.assert_array_equal(found.mask == 1, image.voxels[0] > filters.threshold_otsu(image.voxels[0]))
    level = filters.threshold_otsu(image.voxels[0])
    assert dict(found.facts) == {"classical_found": f"Otsu threshold {level:.6g}"}
    assert not found.notes  # which are warnings


@pytest.mark.parametrize(("take", "ranks"), [(1, [2]), ([2], [1]), ([1, 2], [1, 2])])
def test_multi_otsu_takes_classes_by_rank(take, ranks):
    voxels = np.random.default_rng(2).normal([40, 100, 160], 8, (40, 50, 3)).astype(np.float32).reshape(40, 150)
    levels = filters.threshold_multiotsu(voxels, 3)
    found = classical("multi_otsu", classes=3, take=take).segment(image_of(voxels))
    np.testing.assert_array_equal(found.mask == 1, np.isin(np.digitize(voxels, levels, right=True), ranks))


def test_hysteresis_is_that_of_scikit_image_and_takes_its_thresholds_in():
    voxels = np.array([[5, 5, 3, 5, 9, 5, 1]], np.float32)
    found = classical("hysteresis", low=5, high=9, unit="value").segment(image_of(voxels))
    np.testing.assert_array_equal(found.mask, [[0, 0, 0, 1, 1, 1, 0]])
    image, _truth = ball_image(*SOLID, noise=40)
    found = classical("hysteresis", low=120, high=210, unit="value").segment(image)
    np.testing.assert_array_equal(found.mask, filters.apply_hysteresis_threshold(image.voxels[0], 120, 210))


def test_growing_is_that_of_simpleitk():
    image, _truth = ball_image(*SOLID, noise=20)
    itk = SimpleITK.GetImageFromArray(image.voxels[0].T)
    seed = (30, 25, 10)
    found = classical("connected", seeds=[seed], low=150, high=260).segment(image)
    oracle = SimpleITK.ConnectedThreshold(itk, [seed], 150, 260)
    np.testing.assert_array_equal(found.mask, SimpleITK.GetArrayFromImage(oracle).T)
    found = classical("confidence_connected", seeds=[seed], multiplier=2, iterations=3, radius=1).segment(image)
    oracle = SimpleITK.ConfidenceConnected(itk, [seed], 3, 2.0, 1, 1)
    np.testing.assert_array_equal(found.mask, SimpleITK.GetArrayFromImage(oracle).T)


def test_seeds_may_be_given_in_world_millimetres():
    image, _truth = ball_image(*SOLID)
    affine = np.array([[-1.0, 0, 0, 40], [0, 0, 2.5, -7], [0, 1, 0, 3], [0, 0, 0, 1]])
    placed = Image(image.voxels, Geometry(image.geometry.shape, affine))
    world = placed.geometry.to_world((30, 25, 10)).tolist()
    by_world = classical("connected", seeds=[world], seeds_in="world", tolerance=0.3).segment(placed)
    by_voxel = classical("connected", seeds=[[30, 25, 10]], tolerance=0.3).segment(placed)
    np.testing.assert_array_equal(by_world.mask, by_voxel.mask)
    assert by_world.mask.any()


def test_seeds_outside_the_image_are_refused():
    image, _truth = ball_image(*FLAT)
    with pytest.raises(InputError, match=r"\[90.0, 3.0\].*outside the image of 80×70"):
        classical("connected", seeds=[[90, 3]]).segment(image)
    with pytest.raises(InputError, match="2 each"):
        classical("connected", seeds=[[1, 2, 3]]).segment(image)


def test_seeds_are_found_within_a_window_of_values():
    voxels = np.full((40, 60), 10, np.float32)
    voxels[5:15, 5:15], voxels[20:30, 40:50] = 300, 100
    found = classical("connected", peak_low=80, peak_high=120, tolerance=0.1).segment(image_of(voxels))
    np.testing.assert_array_equal(found.mask == 1, voxels == 100)
    both = classical("connected", peaks=2, low=80).segment(image_of(voxels))
    np.testing.assert_array_equal(both.mask == 1, voxels >= 100)


def test_the_random_walker_is_that_of_scikit_image_and_gives_probabilities():
    image, truth = ball_image(*SOLID, noise=30)
    data = image.voxels[0]
    marks = np.where(data >= np.percentile(data, 95), 1, np.where(data <= np.percentile(data, 60), 2, 0))
    span = np.subtract(*np.percentile(data, [99, 1]))
    # A direct solver is exact; ours goes on until the residue is small.
    oracle = segmentation.random_walker(
        data / span, marks, beta=50, mode="bf", spacing=(1, 1, 2.5), return_full_prob=True
    )
    found = classical("random_walker", outside=60, beta=50).segment(image, probabilities=True)
    np.testing.assert_allclose(found.probabilities[0], oracle[0], atol=2e-3)
    assert dice(found.mask == 1, truth) > 0.8


def test_large_images_are_done_on_a_coarser_grid_and_come_back():
    image, truth = ball_image((120, 110, 16), (0.5, 0.5, 2.5))
    for name in ("random_walker", "chan_vese", "geodesic"):
        found = classical(name, max_voxels=30_000, **of(name)).segment(image)
        assert found.mask.shape == truth.shape
        assert dice(found.mask == 1, truth) > 0.9
        assert found.facts["classical_found"].startswith("done on a grid of 45×41×16")


def test_a_mixture_finds_the_gaussians_that_were_planted():
    rng = np.random.default_rng(5)
    voxels = np.concatenate([rng.normal(50, 5, 60_000), rng.normal(90, 12, 30_000)]).astype(np.float32)
    found = classical("gmm", classes=2).segment(image_of(voxels.reshape(300, 300)), probabilities=True)
    low, high = found.facts["classical_found"].removeprefix("Gaussians about ").split("), ")
    assert float(low.split(" (")[0]) == pytest.approx(50, abs=0.3)
    assert float(high.split(" (")[0]) == pytest.approx(90, abs=1)
    np.testing.assert_array_equal(found.probabilities[0] >= 0.5, found.mask == 1)


def test_methods_without_probabilities_refuse_them():
    image, _truth = ball_image(*FLAT)
    with pytest.raises(ConfigError, match=r"otsu has none.*random_walker, gmm"):
        classical("otsu").segment(image, probabilities=True)


def test_probabilities_may_go_to_a_file(tmp_path):
    image, _truth = ball_image(*FLAT)
    found = classical("gmm").segment(image, probabilities=tmp_path / "shares.npy")
    kept = np.load(tmp_path / "shares.npy")
    assert kept.shape == (1, 80, 70)
    np.testing.assert_array_equal(kept[0] >= 0.5, found.mask == 1)


def test_smoothing_is_in_millimetres_along_every_axis():
    voxels = np.zeros((21, 21, 21), np.float32)
    voxels[10, 10, 10] = 1000
    found = classical("threshold", low=2, smoothing_mm=3).segment(image_of(voxels, (1.0, 1.0, 3.0)))
    wide = [np.ptp(np.nonzero(found.mask)[axis]) for axis in range(3)]
    assert wide[0] == wide[1] == pytest.approx(3 * wide[2], abs=3)


def test_holes_are_filled_and_small_components_go():
    voxels = np.zeros((40, 40), np.float32)
    voxels[5:20, 5:20], voxels[10:12, 10:12], voxels[30:33, 30:33] = 100, 0, 100
    found = classical("threshold", low=50, fill_holes=True, largest=True).segment(image_of(voxels))
    assert found.mask.sum() == 225
    both = classical("threshold", low=50, min_size=9).segment(image_of(voxels))
    assert both.mask.sum() == 225 - 4 + 9
    none = classical("threshold", low=50, min_size=1e6).segment(image_of(voxels))
    assert "min_size" in none.notes[0]


def test_components_at_the_border_go():
    voxels = np.zeros((40, 40), np.float32)
    voxels[5:10, 5:10], voxels[20:30, 35:] = 100, 100
    found = classical("threshold", low=50, off_border=True, largest=True).segment(image_of(voxels))
    np.testing.assert_array_equal(np.argwhere(found.mask).max(axis=0), (9, 9))
    one_slice = classical("threshold", low=50, off_border=True).segment(image_of(voxels[..., None]))
    np.testing.assert_array_equal(one_slice.mask[..., 0], found.mask)
    none = classical("threshold", low=50, off_border=True).segment(image_of(voxels[12:]))
    assert "touches the border" in none.notes[0]


def test_only_voxels_within_the_body_count():
    voxels = np.full((50, 50), -1000, np.int16)
    voxels[10:40, 10:40], voxels[20:25, 20:25], voxels[30:34, 30:34] = 40, 200, -900
    voxels[2:4, 2:4] = 300  # outside the body: the table, say
    image = image_of(voxels, unit="HU", modality="CT")
    found = classical("threshold", low=-2000, within="body").segment(image)
    np.testing.assert_array_equal(np.argwhere(found.mask).min(axis=0), (10, 10))
    assert found.mask.sum() == 900
    bright = classical("percentile", low=97.5, within="body").segment(image)
    np.testing.assert_array_equal(bright.mask == 1, voxels == 200)


def test_another_channel_is_looked_at_when_asked():
    image, truth = ball_image(*FLAT)
    both = Image(np.concatenate([np.zeros_like(image.voxels), image.voxels]), image.geometry)
    model = classical("otsu", channel=1)
    assert dice(model.segment(both).mask == 1, truth) > 0.97
    assert len(model.channels) == 2
    with pytest.raises(InputError, match="has 1 channel"):
        model.segment(image)


def test_it_is_a_model_of_one_label():
    model = classical("otsu")
    assert isinstance(model, Segmenter)
    assert isinstance(model, Model)
    assert model.hash == classical("otsu").hash != classical("otsu", side="dark").hash
    with pytest.raises(LabelError, match="one label"):
        classical("otsu", Labels.from_config({"a": 1, "b": 2}))
