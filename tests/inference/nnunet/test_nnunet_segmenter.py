"""nnU-Net's prediction from image to mask, against the same written plainly for whole volumes."""

import dataclasses
import json
from itertools import combinations, product

import numpy as np
import pytest
import torch
from nnunet_results import DATASET, REGIONS, TRAINER, configuration, plans, write_results
from scipy.ndimage import gaussian_filter
from skimage.transform import resize

import medseg
from medseg.errors import ConfigError, MedsegError, ModelFolderError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.inference.memory import need
from medseg.inference.nnunet.opening import open_nnunet
from medseg.inference.nnunet.restoring import painted
from medseg.inference.nnunet.windows import nnunet_tiling
from medseg.inference.settings import InferenceSettings
from medseg.io import write_image
from medseg.segmenter import Model

EXACT = InferenceSettings(device="cpu", precision="fp32", backend="torch")


def ct_image(shape=(14, 16, 9), spacing=(1.0, 1.1, 3.6)):
    noise = gaussian_filter(np.random.default_rng(4).normal(size=shape), 1.5) * 400 + 30
    noise[:2] = noise[..., :1] = 0
    return Image(np.rint(noise)[None].astype(np.int16), Geometry.from_spacing(shape, spacing))


def plain_logits(prepared, networks, patch, mirroring):
    """Logits (outputs, *shape) by nnU-Net's windows; nothing streams here."""
    depth = prepared.ndim - 1 - len(patch)
    patch = (*(1,) * depth, *patch)
    starts = [
        np.round(np.linspace(0, n - side, int(np.ceil((n - side) / max(side // 2, 1))) + 1)).astype(int)
        for n, side in zip(prepared.shape[1:], patch, strict=True)
    ]
    peak = np.zeros(patch[depth:])
    peak[tuple(side // 2 for side in patch[depth:])] = 1
    weights = gaussian_filter(peak, [side / 8 for side in patch[depth:]], mode="constant").reshape(patch)
    weights = np.float32(np.float16(weights / weights.max() * 10))
    weights[weights == 0] = weights[weights > 0].min()
    counts = np.zeros(prepared.shape[1:], np.float32)
    views = [view for size in range(len(mirroring) + 1) for view in combinations(mirroring, size)]
    total = np.zeros((1, *prepared.shape[1:]), np.float32)
    for corner in product(*starts):
        box = tuple(slice(n, n + side) for n, side in zip(corner, patch, strict=True))
        window = torch.from_numpy(prepared[(slice(None), *box)][None].copy())
        window = window.reshape(1, len(prepared), *patch[depth:])
        answers = []
        for network, view in product(networks, views):
            dims = [2 + axis for axis in view]
            with torch.no_grad():
                answers.append(network(window.flip(dims)).flip(dims)[0].numpy())
        answer = np.mean(answers, 0).reshape(-1, *patch)
        if len(total) < len(answer):
            total = np.repeat(total, len(answer), 0)
        total[(slice(None), *box)] += answer * weights
        counts[box] += weights
    return total / counts


def plainly(image, networks, *, spacing=(4.0, 1.2, 1.1), patch=(4, 8, 8), mirroring=(0, 1, 2)):
    """Logits on the cropped native grid (z, y, x), and where that lies."""
    voxels = image.voxels[0].T.astype(float)
    found = np.argwhere(voxels)
    box = tuple(slice(low, high + 1) for low, high in zip(found.min(0), found.max(0), strict=True))
    kept = (np.clip(voxels[box], -90, 140) - 20) / 60
    native = image.geometry.spacing_mm[::-1]
    target = (*native[: 3 - len(spacing)], *spacing)
    shape = tuple(round(n * a / b) for n, a, b in zip(kept.shape, native, target, strict=True))
    logits = plain_logits(through_thick(kept, shape, 3)[None].astype(np.float32), networks, patch, mirroring)
    return np.stack([through_thick(one, kept.shape, 1) for one in logits]), box


def through_thick(volume, shape, order):
    """Slices resized one by one, the nearest of them repeated."""
    slices = np.stack([resize(one.astype(float), shape[1:], order, mode="edge", anti_aliasing=False) for one in volume])
    return slices[[int((i + 0.5) * len(volume) / shape[0]) for i in range(shape[0])]]


def differing(mask, expected):
    return np.count_nonzero(mask != expected) / mask.size


@pytest.mark.parametrize("residual", [False, True])
def test_the_mask_is_that_of_the_whole_volume_at_once(tmp_path, residual):
    plan = plans(configurations={"3d_fullres": configuration(residual=residual)})
    networks = write_results(tmp_path / TRAINER, plan=plan, folds=("0", "1"))
    model, image = open_nnunet(tmp_path, EXACT), ct_image()
    logits, box = plainly(image, networks)
    expected = np.zeros(image.voxels.shape[:0:-1], np.uint8)
    expected[box] = logits.argmax(0)
    found = model.segment(image, probabilities=True)
    assert isinstance(model, Model)
    assert len(np.unique(found.mask)) > 1
    assert differing(found.mask, expected.T) < 1e-3
    shares = np.exp(logits) / np.exp(logits).sum(0)
    assert np.allclose(found.probabilities.transpose(0, 3, 2, 1)[(slice(None), *box)], shares[1:], atol=2e-3)
    assert model.description["folds"] == ["0", "1"]
    assert model.settings["mirrored"] == [0, 1, 2]


def test_probabilities_go_to_a_file_as_they_go_to_memory(tmp_path):
    write_results(tmp_path / "results", dataset=REGIONS, outputs=2)
    model = open_nnunet(tmp_path / "results", EXACT)
    kept = model.segment(ct_image(), probabilities=True).probabilities
    mapped = model.segment(ct_image(), probabilities=tmp_path / "out" / "shares.npy").probabilities
    assert isinstance(mapped, np.memmap)
    assert mapped.dtype == np.float16
    assert np.array_equal(np.load(tmp_path / "out" / "shares.npy"), kept)


def test_filling_the_holes_of_a_body_counts_in_the_memory(tmp_path):
    masked = {"normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [True]}
    write_results(tmp_path, plan=plans(configurations={"3d_fullres": configuration(**masked)}))
    plain = open_nnunet(tmp_path, EXACT)
    image = Image(np.ones((1, 200, 200, 200), np.uint8), Geometry.from_spacing((200, 200, 200), (1.1, 1.2, 4.0)))
    without = dataclasses.replace(plain._footprint, body=0.0)
    tiling = nnunet_tiling((20, 20, 20), (4, 8, 8), 1)
    needs = [need(image, one, tiling, (20, 20, 20), 1, slabs=True) for one in (plain._footprint, without)]
    assert needs[0].parts["preparing"] - needs[1].parts["preparing"] == 5 * 200**3


def test_fast_leaves_out_the_mirrored_views(tmp_path):
    networks = write_results(tmp_path)
    model = open_nnunet(tmp_path, EXACT.model_copy(update={"speed": "fast"}))
    logits, box = plainly(ct_image(), networks, mirroring=())
    assert differing(model.segment(ct_image()).mask.T[box], logits.argmax(0)) < 1e-3
    assert model.settings["mirrored"] == []


def test_a_2d_configuration_sees_a_volume_slice_by_slice(tmp_path):
    networks = write_results(tmp_path, name="2d")
    logits, box = plainly(ct_image(), networks, spacing=(1.2, 1.1), patch=(8, 8), mirroring=(0, 1))
    assert differing(open_nnunet(tmp_path, EXACT).segment(ct_image()).mask.T[box], logits.argmax(0)) < 1e-3


def test_regions_are_painted_in_their_order_and_overlap(tmp_path):
    networks = write_results(tmp_path, dataset=REGIONS, outputs=2)
    logits, box = plainly(ct_image(), networks)
    found = open_nnunet(tmp_path, EXACT).segment(ct_image())
    label_map = np.where(logits[1] > 0, 2, np.where(logits[0] > 0, 1, 0))
    assert found.labels.names == ("organ", "cyst")
    assert differing(found.of("organ").T[box], label_map > 0) < 1e-3
    assert differing(found.of("cyst").T[box], label_map == 2) < 1e-3


def test_a_later_region_paints_over_an_earlier_one():
    channels = np.array([[0, 1, 1, 0], [0, 0, 1, 1]], np.uint8)
    assert painted(channels.copy(), (1, 2), ((1, 2), (2,))).tolist() == [[0, 1, 1, 1], [0, 0, 1, 1]]
    assert painted(channels.copy(), (2, 1), ((1, 2), (2,))).tolist() == [[0, 1, 1, 1], [0, 1, 0, 0]]
    volume = np.broadcast_to(channels[:, None, :, None], (2, 3, 4, 5)).copy(order="F")
    assert (painted(volume, (2, 1), ((1, 2), (2,)))[1] == np.array([0, 1, 0, 0])[:, None]).all()


@pytest.mark.parametrize("spacing", [(2.0, 2.0), (0.6, 0.7)])
def test_a_2d_image_is_resampled_without_smoothing(tmp_path, spacing):
    (network,) = write_results(tmp_path, name="2d")
    image = Image(ct_image((28, 32, 9)).voxels[..., 4], Geometry.from_spacing((28, 32), spacing))
    volume = Image(image.voxels[..., None], Geometry.from_spacing((28, 32, 1), (*spacing, 99.0)))
    logits, box = plainly(volume, [network], spacing=(1.2, 1.1), patch=(8, 8), mirroring=(0, 1))
    mask = open_nnunet(tmp_path, EXACT).segment(image).mask
    assert differing(mask.T[None][box], logits.argmax(0)) < 5e-3


def test_a_volume_smaller_than_the_window_is_padded(tmp_path):
    write_results(tmp_path)
    image = Image(ct_image().voxels[:, 2:6, :5, 1:3], Geometry.from_spacing((4, 5, 2), (1.1, 1.2, 4.0)))
    assert open_nnunet(tmp_path, EXACT).segment(image).mask.shape == (4, 5, 2)


def test_what_is_doubtful_is_told(tmp_path):
    write_results(tmp_path)
    constant = Image(np.full((1, 6, 6, 6), 7, np.int16), Geometry.from_spacing((6, 6, 6), (9.0, 1.0, 4.0)))
    notes = " ".join(open_nnunet(tmp_path, EXACT).segment(constant).notes)
    assert "constant" in notes
    assert "[1.0, 0.83, 8.18] times" in notes


def test_predict_takes_a_results_folder(tmp_path):
    write_results(tmp_path / "results" / "Dataset900_tiny" / TRAINER)
    write_image(tmp_path / "images" / "case.nii.gz", ct_image())
    done = medseg.predict(tmp_path / "results", tmp_path / "images", tmp_path / "out")
    assert done.cases["status"].tolist() == ["done"]
    assert next((tmp_path / "out").glob("*/mask.nii.gz")).is_file()
    assert "3d_fullres" in (tmp_path / "out" / "run.json").read_text()


def test_a_checkpoint_of_a_stage_or_of_two_kinds_is_refused(tmp_path):
    write_results(tmp_path / "a", plan=plans(configurations={"3d_fullres": configuration(next_stage="cascade")}))
    with pytest.raises(ModelFolderError, match="cascade"):
        open_nnunet(tmp_path / "a", EXACT)
    write_results(tmp_path / "b", folds=("0", "1"))
    write_results(tmp_path / "b", folds=("1",), name="2d")
    with pytest.raises(ModelFolderError, match="is of 2d"):
        open_nnunet(tmp_path / "b", EXACT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalization_schemes": ["CTNormalization"] * 2}, "rules for 2"),
        ({"resampling_fn_probabilities_kwargs": {"order": 3}}, "order 3"),
        ({"resampling_fn_data": "mine"}, "mine"),
    ],
)
def test_plans_that_ask_for_something_else_are_refused(tmp_path, changes, message):
    networks = write_results(tmp_path)
    assert networks
    write = plans(configurations={"3d_fullres": configuration() | changes})
    (tmp_path / "plans.json").write_text(json.dumps(write))
    with pytest.raises(ModelFolderError, match=message):
        open_nnunet(tmp_path, EXACT)


def test_mirroring_along_an_axis_that_is_not_there_is_refused(tmp_path):
    write_results(tmp_path, inference_allowed_mirroring_axes=(0, 3))
    with pytest.raises(ModelFolderError, match="mirrors"):
        open_nnunet(tmp_path, EXACT)


def test_portable_is_for_our_own_folders(tmp_path):
    write_results(tmp_path, dataset=DATASET)
    with pytest.raises(ConfigError, match="portable"):
        open_nnunet(tmp_path, EXACT.model_copy(update={"portable": True}))
    with pytest.raises(MedsegError):
        open_nnunet(tmp_path, EXACT.model_copy(update={"device": "cuda:99"}))


def test_two_channels_of_a_plain_folder_are_one_case_and_a_missing_one_is_told(tmp_path):
    two = DATASET | {"channel_names": {"0": "T1", "1": "T2"}}
    rules = {"normalization_schemes": ["ZScoreNormalization"] * 2, "use_mask_for_norm": [False] * 2}
    write_results(tmp_path / "results", dataset=two, plan=plans(configurations={"3d_fullres": configuration(**rules)}))
    for name in ("a_0000", "a_0001", "b_0001"):
        write_image(tmp_path / "images" / f"{name}.nii.gz", ct_image())
    done = medseg.predict(tmp_path / "results", tmp_path / "images", tmp_path / "out", backend="torch")
    assert done.cases[["case", "status"]].to_numpy().tolist() == [["a", "done"], ["b_0001", "failed"]]
    assert "has 1 channel(s), expected 2 (T1, T2)" in done.failed["error"].iloc[0]
