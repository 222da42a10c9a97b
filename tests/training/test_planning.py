"""Plans computed from fingerprints."""

import numpy as np
import pytest

from medseg.errors import ConfigError
from medseg.labels import Labels
from medseg.training.fingerprint import Fingerprint
from medseg.training.planning import make_plan

LABELS = Labels.from_config({"lesion": 1})


def fingerprint(shapes, spacings, modality="MR", channels=1, zero_border=0.0):
    voxels = np.random.default_rng(0).normal(60, 20, 1000).astype(np.float32)
    known = None if spacings is None else np.array(spacings, dtype=float)
    return Fingerprint(np.array(shapes), known, channels, modality, (voxels,) * channels, zero_border)


def test_isotropic_mr_keeps_its_median_spacing_and_whole_small_volumes():
    plan = make_plan(fingerprint([(35, 50, 36)] * 3, [(1, 1, 1)] * 3), LABELS, ("t1",), {})
    assert plan.spacing_mm == (1.0, 1.0, 1.0)
    assert plan.patch_size == (40, 56, 40)
    assert plan.normalisation[0].method == "zscore"
    assert len(plan.network.features) == len(plan.network.strides) == 4


def test_thick_slices_are_halved_later_and_not_mixed_at_first():
    plan = make_plan(fingerprint([(256, 256, 24)] * 3, [(0.8, 0.8, 6.0)] * 3), LABELS, ("t1",), {})
    assert plan.network.strides[1] == (2, 2, 1)
    assert plan.network.kernels[0] == (3, 3, 1)
    assert plan.network.kernels[-1] == (3, 3, 3)
    assert np.prod(plan.patch_size) <= 2 * 48**3


def test_the_finest_tenth_decides_across_slices():
    spacings = [(1, 1, 3)] * 2 + [(1, 1, 8)] * 8
    plan = make_plan(fingerprint([(128, 128, 40)] * 10, spacings), LABELS, ("t1",), {})
    assert plan.spacing_mm[:2] == (1.0, 1.0)
    assert plan.spacing_mm[2] == pytest.approx(3.0)


def test_ct_is_clipped_at_percentiles_of_the_labels_and_cropped_to_the_body():
    plan = make_plan(fingerprint([(96, 96, 40)], [(2, 2, 2)], "CT", zero_border=1.0), LABELS, ("ct",), {})
    (ct,) = plan.normalisation
    assert ct.method == "ct"
    assert 0 < ct.lower < ct.mean < ct.upper < 130
    assert plan.crop_above == -500


def test_radiographs_without_spacing_are_planned_in_pixels():
    plan = make_plan(fingerprint([(2000, 1500), (1500, 2000)], None, "DX"), LABELS, ("image",), {})
    assert plan.spacing_mm is None
    assert plan.longest_side == 256
    assert plan.patch_size == (224, 224) or plan.patch_size == (256, 256)
    assert plan.normalisation[0].method == "percentile"


def test_radiographs_with_spacing_are_planned_in_millimetres():
    plan = make_plan(fingerprint([(1024, 512)], [(0.2, 0.2)], "MG"), LABELS, ("image",), {})
    assert plan.spacing_mm == pytest.approx((0.8, 0.8))
    assert not plan.portable


def test_several_files_a_case_are_more_than_the_bundle_takes():
    plan = make_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)], channels=2), LABELS, ("t1", "t2"), {})
    assert not plan.portable


def test_every_patch_can_be_halved_as_often_as_the_network_does():
    for shape in [(31, 47, 22), (200, 180, 60), (64, 64, 5), (17, 300, 120)]:
        plan = make_plan(fingerprint([shape], [(1, 1, 2.2)]), LABELS, ("t1",), {})
        factors = np.prod(np.array(plan.network.strides), axis=0)
        assert (np.array(plan.patch_size) % factors == 0).all()


def test_overrides_win_and_fewer_features_make_a_shallower_network():
    changes = {"patch_size": [32, 32, 32], "batch_size": 5, "network": {"features": [8, 16, 32]}}
    plan = make_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)]), LABELS, ("t1",), changes)
    assert plan.patch_size == (32, 32, 32)
    assert plan.batch_size == 5
    assert plan.network.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2))


def test_a_misspelt_override_is_named_with_the_right_one():
    with pytest.raises(ConfigError, match="Did you mean 'patch_size'"):
        make_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)]), LABELS, ("t1",), {"patchsize": [32, 32, 32]})


def test_levels_that_do_not_agree_are_refused():
    changes = {"network": {"features": [8, 16, 32], "kernels": [[3, 3, 3]]}}
    with pytest.raises(ConfigError, match="one entry a level"):
        make_plan(fingerprint([(64, 64, 64)], [(1, 1, 1)]), LABELS, ("t1",), changes)
