"""Intensity steps: what they clean, what they leave alone, and that they move nothing."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from medseg.demo.mammogram import draw_breast, expose
from medseg.transforms.preparation.bias import N4BiasCorrection
from medseg.transforms.preparation.body import find_body
from medseg.transforms.preparation.border import RemoveBorder
from medseg.transforms.preparation.clahe import Clahe
from medseg.transforms.preparation.marks import RemoveLabels
from medseg.transforms.preparation.median import MedianDenoise
from medseg.transforms.preparation.nonlocal_means import NonLocalMeans
from medseg.transforms.preparation.steps import STEPS
from medseg.transforms.preparation.window import PercentileWindow, Window

INTENSITY = [
    Clahe(),
    MedianDenoise(),
    NonLocalMeans(),
    Window(0, 100),
    PercentileWindow(),
    RemoveBorder(),
    RemoveLabels(),
    N4BiasCorrection(iterations=5),
]
ALL = [STEPS[name](**({"lower": 0, "upper": 9} if name == "window" else {})) for name in STEPS]
each_step = pytest.mark.parametrize("step", ALL, ids=lambda step: type(step).__name__)
each_intensity = pytest.mark.parametrize("step", INTENSITY, ids=lambda step: type(step).__name__)


def mammogram(seed: int, laterality: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return expose(draw_breast(rng), laterality, rng).pixels.astype(np.float32)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("laterality", ["L", "R"])
def test_label_and_text_are_removed_and_the_breast_is_not_touched(seed, laterality):
    clean = mammogram(seed, laterality)
    breast = find_body(clean)
    marked, far = clean.copy(), slice(-60, -20) if laterality == "L" else slice(20, 60)
    marked[far, 10:30] = clean.max() * 1.2
    marked[far, 10:30][10:14, 5:15] = 0  # a letter in the tag
    done = RemoveLabels()(marked[None])[0]
    assert done[far, 10:30].max() < np.percentile(clean[breast], 5)
    assert np.array_equal(done[breast], clean[breast])
    assert dice(find_body(done), breast) > 0.999


@pytest.mark.parametrize("laterality", ["L", "R"])
def test_a_bright_film_edge_and_a_white_frame_are_removed_and_the_breast_is_not_touched(laterality):
    clean = mammogram(1, laterality)
    breast = find_body(clean)
    edged = clean.copy()
    edged[:, :6] = clean.max() * 0.9
    inner = breast.copy()
    inner[:, :8] = False
    done = RemoveBorder()(edged[None])[0]
    assert np.array_equal(done[inner], clean[inner])
    assert done[:, :6].max() == clean.min()
    framed = np.pad(clean, 5, constant_values=clean.max() * 1.5)
    done = RemoveBorder()(framed[None])[0]
    assert done[:5].max() == done[-5:].max() == done[:, :5].max() == done[:, -5:].max() == clean.min()
    core = np.s_[12:-12, 12:-12]
    assert np.array_equal(done[core], framed[core])


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_mammogram_is_left_as_it_is(seed):
    clean = mammogram(seed, "L")
    assert np.array_equal(RemoveBorder()(clean[None])[0], clean)
    breast = find_body(clean)
    assert np.array_equal(RemoveLabels()(clean[None])[0][breast], clean[breast])


def test_a_chest_wall_that_is_bright_from_top_to_bottom_is_no_border():
    ramp = np.linspace(250, 0, 200, dtype=np.float32)[:, None].repeat(150, axis=1)
    assert np.array_equal(RemoveBorder()(ramp[None])[0], ramp)


@each_intensity
@pytest.mark.parametrize("shape", [(60, 48), (24, 20, 16)])
def test_no_intensity_step_moves_anything(step, shape):
    rng = np.random.default_rng(0)
    body = np.zeros(shape, np.float32)
    body[tuple(slice(n // 4, n // 2 + 4) for n in shape)] = 80
    affine = torch.diag(torch.tensor([0.5, 0.5, 2.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.from_numpy((body + rng.uniform(1, 5, shape).astype(np.float32))[None]), affine=affine)
    done = step(image)
    assert isinstance(done, MetaTensor)
    assert done.shape == image.shape
    assert done.dtype == torch.float32
    assert torch.equal(done.affine, image.affine)
    bright = done[0].as_tensor() > (done.max() + done.min()) / 2
    assert dice(bright.numpy(), body > 0) > 0.9  # a median rounds the corners


@each_step
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 40), (17, 1), (1, 1, 1), (9, 1, 4)])
@pytest.mark.parametrize("kind", ["constant", "noise", "nan", "inf", "negative"])
def test_no_image_is_too_odd(step, shape, kind):
    voxels = np.random.default_rng(0).uniform(0, 100, (2, *shape)).astype(np.float32)
    if kind == "constant":
        voxels[:] = 5
    elif kind == "negative":
        voxels -= 200
    elif kind != "noise":
        voxels[:, 0] = np.nan if kind == "nan" else np.inf
    if type(step).__name__ in ("Window", "PercentileWindow"):
        voxels = np.nan_to_num(voxels, posinf=0)  # MONAI's own: `prepare` hands it finite voxels
    done = np.asarray(step(MetaTensor(torch.from_numpy(voxels))))
    assert np.isfinite(done).all() or not np.isfinite(voxels).all()
    assert done.shape == voxels.shape or type(step).__name__ == "CropToBreast"


def test_clahe_keeps_the_scale_and_raises_local_contrast():
    rng = np.random.default_rng(0)
    faint = (1000 + 200 * np.linspace(0, 1, 128)[:, None] + rng.normal(0, 2, (128, 128))).astype(np.float32)
    done = Clahe(clip_limit=0.03)(faint[None])[0]
    assert done.min() == pytest.approx(faint.min(), rel=1e-4)
    assert done.max() == pytest.approx(faint.max(), rel=1e-4)
    assert np.diff(done, axis=1).std() > 1.5 * np.diff(faint, axis=1).std()


def test_three_slices_are_no_colours():
    faint = np.random.default_rng(0).uniform(0, 100, (40, 40, 3)).astype(np.float32)
    turned = Clahe()(faint.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0)
    assert np.allclose(Clahe()(faint[None])[0], turned, atol=0.1)


@pytest.mark.parametrize("step", [MedianDenoise(), NonLocalMeans()], ids=["median", "non-local means"])
def test_noise_falls_and_the_edge_stays(step):
    edge = np.where(np.arange(64)[:, None] < 32, 50.0, 150.0).repeat(64, axis=1)
    noisy = (edge + np.random.default_rng(0).normal(0, 8, edge.shape)).astype(np.float32)
    done = step(noisy[None])[0]
    assert np.abs(done - edge).mean() < 0.6 * np.abs(noisy - edge).mean()
    assert done[33].mean() - done[30].mean() > 90


def test_n4_makes_an_mr_even():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * 3, indexing="ij"))
    body = (grid**2).sum(0) < 0.8
    truth = np.where(body, 400 + rng.normal(0, 8, body.shape), rng.uniform(0, 8, body.shape))
    biased = (truth * np.exp(0.5 * grid[0] - 0.3 * grid[1] ** 2)).astype(np.float32)
    affine = torch.diag(torch.tensor([1.0, 1.0, 2.0, 1.0], dtype=torch.float64))
    done = N4BiasCorrection()(MetaTensor(torch.from_numpy(biased[None]), affine=affine))[0].numpy()

    def variation(voxels: np.ndarray) -> float:
        return float(voxels[body].std() / voxels[body].mean())

    assert variation(biased) > 0.2
    assert variation(done) < 0.25 * variation(biased)
    assert done[body].mean() == pytest.approx(biased[body].mean(), rel=0.02)
