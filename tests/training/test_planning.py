"""Plans computed from fingerprints."""

import math

import numpy as np
import pytest
import torch
from fingerprints import fingerprint

from medseg.config import check
from medseg.errors import ConfigError
from medseg.io.dicom.headers import RADIOGRAPHS
from medseg.labels import Labels
from medseg.networks.building import build_network
from medseg.training.memory import bytes_of, step_bytes
from medseg.training.planning import SET, compute_plan
from medseg.training.settings import TrainSettings

LABELS = Labels.from_config({"lesion": 1})
CUBE = fingerprint([(160, 150, 140)] * 3, [(1.0, 1.0, 1.0)] * 3)


def test_isotropic_mr_keeps_its_median_spacing_and_whole_small_volumes():
    plan = compute_plan(fingerprint([(35, 50, 36)] * 3, [(1, 1, 1)] * 3), LABELS, ("t1",), {})
    assert plan.spacing_mm == (1.0, 1.0, 1.0)
    assert plan.patch_size == (40, 56, 40)
    assert plan.normalisation[0].method == "zscore"
    assert len(plan.network.features) == len(plan.network.strides) == 4


def test_thick_slices_are_halved_later_and_not_mixed_at_first():
    plan = compute_plan(fingerprint([(256, 256, 24)] * 3, [(0.8, 0.8, 6.0)] * 3), LABELS, ("t1",), {})
    assert plan.network.strides[1] == (2, 2, 1)
    assert plan.network.kernels[0] == (3, 3, 1)
    assert plan.network.kernels[-1] == (3, 3, 3)
    assert np.prod(plan.patch_size) <= 2 * 48**3


def test_the_finest_tenth_decides_across_slices():
    spacings = [(1, 1, 3)] * 2 + [(1, 1, 8)] * 8
    plan = compute_plan(fingerprint([(128, 128, 40)] * 10, spacings), LABELS, ("t1",), {})
    assert plan.spacing_mm[:2] == (1.0, 1.0)
    assert plan.spacing_mm[2] == pytest.approx(3.0)


def test_ct_is_clipped_at_percentiles_of_the_labels_and_cropped_to_the_body():
    plan = compute_plan(fingerprint([(96, 96, 40)], [(2, 2, 2)], "CT", zero_border=1.0), LABELS, ("ct",), {})
    (ct,) = plan.normalisation
    assert ct.method == "ct"
    assert 0 < ct.lower < ct.mean < ct.upper < 130
    assert plan.crop_above == -500


def test_radiographs_without_spacing_are_planned_in_pixels():
    plan = compute_plan(fingerprint([(2000, 1500), (1500, 2000)], None, "DX"), LABELS, ("image",), {})
    assert plan.spacing_mm is None
    assert plan.longest_side == 256
    assert plan.patch_size == (224, 224) or plan.patch_size == (256, 256)
    assert plan.normalisation[0].method == "percentile"


def test_every_kind_of_radiograph_is_scaled_by_its_own_percentiles():
    for modality in RADIOGRAPHS:
        plan = compute_plan(fingerprint([(64, 64)], None, modality), LABELS, ("image",), {})
        assert plan.normalisation[0].method == "percentile"


def test_radiographs_with_spacing_are_planned_in_millimetres():
    plan = compute_plan(fingerprint([(1024, 512)], [(0.2, 0.2)], "MG"), LABELS, ("image",), {})
    assert plan.spacing_mm == pytest.approx((0.8, 0.8))
    assert not plan.portable


def test_pixels_asked_for_are_taken_where_the_spacing_is_known():
    data = fingerprint([(1024, 512)], [(0.2, 0.2)], "MG")
    plan = compute_plan(data, LABELS, ("image",), {"longest_side": 512})
    assert (plan.spacing_mm, plan.longest_side) == (None, 512)
    with pytest.raises(ConfigError, match="Give one of them"):
        compute_plan(data, LABELS, ("image",), {"longest_side": 512, "spacing_mm": (0.4, 0.4)})


def test_several_files_a_case_are_more_than_the_bundle_takes():
    plan = compute_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)], channels=2), LABELS, ("t1", "t2"), {})
    assert not plan.portable


def test_every_patch_can_be_halved_as_often_as_the_network_does():
    for shape in [(31, 47, 22), (200, 180, 60), (64, 64, 5), (17, 300, 120)]:
        plan = compute_plan(fingerprint([shape], [(1, 1, 2.2)]), LABELS, ("t1",), {})
        factors = np.prod(np.array(plan.network.strides), axis=0)
        assert (np.array(plan.patch_size) % factors == 0).all()


def test_overrides_win_and_fewer_features_make_a_shallower_network():
    changes = {"patch_size": [32, 32, 32], "batch_size": 5, "network": {"features": [8, 16, 32]}}
    plan = compute_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)]), LABELS, ("t1",), changes)
    assert plan.patch_size == (32, 32, 32)
    assert plan.batch_size == 5
    assert plan.network.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2))


def test_a_misspelt_override_is_named_with_the_right_one():
    with pytest.raises(ConfigError, match="Did you mean 'patch_size'"):
        compute_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)]), LABELS, ("t1",), {"patchsize": [32, 32, 32]})


def test_levels_that_do_not_agree_are_refused():
    changes = {"network": {"features": [8, 16, 32], "kernels": [[3, 3, 3]]}}
    with pytest.raises(ConfigError, match="one entry a level"):
        compute_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)]), LABELS, ("t1",), changes)


def test_sizes_are_planned_after_the_crop():
    cropped = fingerprint([(60, 60, 60)] * 2, [(1, 1, 1)] * 2, "CT", zero_border=1.0, bodies=[(40, 32, 24)] * 2)
    assert compute_plan(cropped, LABELS, ("ct",), {}).patch_size == (40, 32, 24)


def test_volumes_are_resampled_by_splines_and_pictures_linearly():
    assert compute_plan(CUBE, LABELS, ("t1",), {}).resampling == "cubic"
    assert compute_plan(fingerprint([(900, 700)], None, "DX"), LABELS, ("x",), {}).resampling == "linear"


def test_every_number_has_its_reason_and_what_the_config_sets_says_so():
    changes = {"batch_size": 4, "network": {"name": "resenc", "dropout": 0.1}}
    plan = compute_plan(CUBE, LABELS, ("t1",), changes)
    assert {key for key, why in plan.reasons.items() if why == SET} == {
        "batch_size",
        "network.name",
        "network.dropout",
    }
    named = {"spacing_mm", "resampling", "normalisation", "crop_above", "patch_size", "batch_size", "step_mib"}
    inner = {f"network.{key}" for key in ("name", "features", "strides", "kernels", "blocks")}
    assert named | inner <= set(plan.reasons)
    assert all(plan.reasons.values())


def test_the_residual_preset_has_the_blocks_of_nnunet():
    plan = compute_plan(CUBE, LABELS, ("t1",), {"network": {"name": "resenc"}})
    assert plan.network.blocks == (1, 3, 4, 6, 6, 6, 6)[: len(plan.network.features)]
    assert compute_plan(CUBE, LABELS, ("t1",), {}).network.blocks == ()


@pytest.mark.parametrize("gpu", [False, True])
def test_less_memory_gives_a_smaller_step_and_more_never_a_larger(gpu):
    free = compute_plan(CUBE, LABELS, ("t1",), {}, gpu=gpu)
    sizes = []
    for gib in (1000, 12, 6, 3, 1.5, 0.75, 0.4):
        plan = compute_plan(CUBE, LABELS, ("t1",), {}, gpu=gpu, memory=int(gib * 2**30))
        assert plan.step_mib * 2**20 <= gib * 2**30 + 2**20
        assert (np.array(plan.patch_size) % np.prod(plan.network.strides, axis=0) == 0).all()
        sizes.append(math.prod(plan.patch_size) * plan.batch_size)
        if sizes[-1] < sizes[0]:
            assert "lowered until a step fits" in plan.reasons["patch_size"]
    assert sizes[0] == math.prod(free.patch_size) * free.batch_size
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_a_patch_of_the_config_is_kept_and_the_batch_gives_way():
    plan = compute_plan(CUBE, LABELS, ("t1",), {"patch_size": [96, 96, 96]}, gpu=True, memory=4 * 2**30)
    assert plan.patch_size == (96, 96, 96)
    assert plan.batch_size < compute_plan(CUBE, LABELS, ("t1",), {"patch_size": [96, 96, 96]}, gpu=True).batch_size


def test_no_step_fits_next_to_no_memory():
    with pytest.raises(ConfigError, match="memory: 20 MiB, but the smallest step takes about"):
        compute_plan(CUBE, LABELS, ("t1",), {}, memory=20 * 2**20)


@pytest.mark.parametrize(("text", "size"), [("8GiB", 2**33), ("500 MB", 5 * 10**8), ("2g", 2 * 10**9), ("64", 64)])
def test_memory_is_read_with_its_unit(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["much", "8 gigs", "-1GiB", "0"])
def test_what_is_no_amount_of_memory_is_refused_with_the_config(text):
    with pytest.raises(ConfigError, match="no amount of memory"):
        check(TrainSettings, {"dataset": "x", "epochs": 1, "memory": text}, "config")


@pytest.mark.parametrize("name", ["dynunet", "resenc"])
def test_the_estimate_is_near_what_autograd_keeps(name):
    """The oracle: the bytes of all tensors that a forward pass saves for the way back, and the weights' states."""
    changes = {"network": {"name": name, "features": [8, 16, 32, 32]}, "patch_size": [32] * 3, "batch_size": 2}
    plan = compute_plan(CUBE, LABELS, ("t1",), changes)
    network = build_network(plan)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = network(torch.zeros(2, 1, 32, 32, 32)).sum()
    assert loss.requires_grad
    weights = sum(weight.numel() for weight in network.parameters()) * 4
    net = plan.network
    estimate = step_bytes(plan.patch_size, 2, net.features, net.kernels, net.strides, net.blocks)
    held = sum(kept.values()) + 4 * weights
    assert 0.9 * held < estimate < 1.8 * held


@pytest.mark.parametrize(
    "changes", [{"patch_size": [32, 32]}, {"spacing_mm": [1, 1]}, {"network": {"kernels": [[3, 3]] * 4}}]
)
def test_sizes_of_another_number_of_axes_are_refused(changes):
    with pytest.raises(ConfigError, match="does not fit images of 3 axes"):
        compute_plan(CUBE, LABELS, ("t1",), changes)


def test_regions_lost_on_the_grid_are_told():
    tiny = fingerprint([(2000, 1500)], None, "DX", sizes=(40000.0, 300.0, 200.0))
    reason = compute_plan(tiny, LABELS, ("image",), {}).reasons["longest_side"]
    assert "less than 4 voxels across (lesion 2." in reason
    assert "across" not in compute_plan(CUBE, LABELS, ("t1",), {}).reasons["spacing_mm"]


@pytest.mark.parametrize("name", ["segresnet", "flexible", "resenc"])
def test_the_patch_suits_the_network_that_is_asked_for(name):
    thick = fingerprint([(200, 180, 21)] * 3, [(0.8, 0.8, 6.0)] * 3)
    plan = compute_plan(thick, LABELS, ("t1",), {"network": {"name": name}})
    assert all(size % factor == 0 for size, factor in zip(plan.patch_size, plan.network.factors, strict=True))
    build_network(plan)
