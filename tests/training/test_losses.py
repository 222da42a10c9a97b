"""Losses: as MONAI's or their formula where nothing is ignored, and blind to what nobody judged."""

from typing import get_args

import monai.losses
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.losses.cldice import soft_skel
from monai.networks.utils import one_hot
from pydantic import ValidationError

from medseg.errors import ConfigError
from medseg.labels import IGNORE_INDEX, Labels
from medseg.training.batch import Batch
from medseg.training.losses import LOSSES, LossSettings, build_loss
from medseg.training.losses.comparison import brought_to, compare_exclusive, compare_overlapping
from medseg.training.losses.shape import HausdorffDistance

TWO = Labels.from_config({"a": 1, "b": 2})
SETS = Labels.from_config({"whole": [1, 2], "core": 2, "overlapping": True})


def batch_of(targets: torch.Tensor, judged: torch.Tensor | None = None) -> Batch:
    judged = torch.ones(len(targets), 2, dtype=torch.bool) if judged is None else judged
    return Batch(torch.empty(0), targets.to(torch.uint8), judged)


def loss_of(logits, targets, judged=None, labels=TWO, **settings) -> torch.Tensor:
    return build_loss(labels, LossSettings(**settings))([logits], batch_of(targets, judged))


def example() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return 2 * torch.randn(2, 3, 8, 8, 8), torch.randint(0, 3, (2, 8, 8, 8))


def sets() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return 2 * torch.randn(2, 2, 8, 8, 8), (torch.rand(2, 2, 8, 8, 8) < 0.3).float()


FOREGROUND = {"include_background": False, "to_onehot_y": True, "softmax": True, "smooth_nr": 1e-5, "smooth_dr": 1e-5}
BINARY = {"sigmoid": True, "smooth_nr": 1e-5, "smooth_dr": 1e-5}


def _equivalents(name: str, batch: bool):
    """MONAI's loss with the same settings, as (of class indices, of overlapping labels)."""
    dice = [monai.losses.DiceLoss(**kind, batch=batch) for kind in (FOREGROUND, BINARY)]
    tversky = [monai.losses.TverskyLoss(**kind, alpha=0.3, beta=0.7, batch=batch) for kind in (FOREGROUND, BINARY)]
    focal = [
        # MONAI divides by voxels times classes although only the true class counts.
        lambda z, t: 3 * monai.losses.FocalLoss(include_background=True, to_onehot_y=True, use_softmax=True)(z, t),
        monai.losses.FocalLoss(gamma=2.0),
    ]
    entropy = [lambda z, t: F.cross_entropy(z, t[:, 0]), F.binary_cross_entropy_with_logits]
    tiny = {"batch": batch, "smooth_nr": 0.0, "smooth_dr": 1e-30}
    generalised = [
        monai.losses.GeneralizedDiceLoss(softmax=True, to_onehot_y=True, **tiny),
        monai.losses.GeneralizedDiceLoss(sigmoid=True, **tiny),
    ]
    pairs = {
        "dice": dice,
        "tversky": tversky,
        "ce": entropy,
        "generalised_dice": generalised,
        "dice_ce": [lambda z, t, k=k: dice[k](z, t) + entropy[k](z, t) for k in (0, 1)],
        "dice_focal": [lambda z, t, k=k: dice[k](z, t) + focal[k](z, t) for k in (0, 1)],
    }
    return pairs[name]


@pytest.mark.parametrize("over", ["batch", "patch"])
@pytest.mark.parametrize("name", ["dice", "ce", "dice_ce", "dice_focal", "tversky", "generalised_dice"])
def test_it_equals_monai_where_every_voxel_is_judged(name: str, over: str) -> None:
    exclusive, overlapping = _equivalents(name, over == "batch")
    logits, indices = example()
    assert loss_of(logits, indices, name=name, dice_over=over).item() == pytest.approx(
        exclusive(logits, indices[:, None]).item(), abs=2e-5
    )
    logits, channels = sets()
    assert loss_of(logits, channels, labels=SETS, name=name, dice_over=over).item() == pytest.approx(
        overlapping(logits, channels).item(), abs=2e-5
    )


def test_focal_tversky_is_its_formula() -> None:
    logits, indices = example()
    shares, truth = logits.softmax(1).numpy(), np.eye(3)[indices.numpy()].transpose(0, 4, 1, 2, 3)
    over = (0, 2, 3, 4)
    both = (shares * truth).sum(over)
    index = both / (both + 0.2 * (shares * (1 - truth)).sum(over) + 0.8 * ((1 - shares) * truth).sum(over))
    given = {"false_positives": 0.2, "false_negatives": 0.8, "focal_tversky_gamma": 0.6}
    assert loss_of(logits, indices, name="focal_tversky", **given).item() == pytest.approx(
        ((1 - index[1:]) ** 0.6).mean(), abs=1e-5
    )


def test_class_weights_are_those_of_cross_entropy() -> None:
    logits, indices = example()
    weights = (0.2, 1.0, 3.0)
    expected = F.cross_entropy(logits, indices, torch.tensor(weights))
    assert loss_of(logits, indices, name="ce", class_weights=weights).item() == pytest.approx(expected.item(), abs=1e-5)
    logits, channels = sets()
    each = F.binary_cross_entropy_with_logits(logits, channels, reduction="none").mean((0, 2, 3, 4))
    found = loss_of(logits, channels, labels=SETS, name="ce", class_weights=(1, 3))
    assert found.item() == pytest.approx(((each[0] + 3 * each[1]) / 4).item(), abs=1e-5)


def test_balanced_weights_let_each_class_count_alike() -> None:
    settings = LossSettings(class_weights="balanced").balanced((900, 90, 10))
    assert np.allclose(np.array(settings.class_weights) * (900, 90, 10), settings.class_weights[0] * 900)
    assert np.mean(settings.class_weights) == pytest.approx(1)
    assert LossSettings(class_weights="balanced").balanced((9, 0, 3)).class_weights[1:] == pytest.approx((9 / 7, 9 / 7))
    assert LossSettings(class_weights=(1, 2)).balanced((9, 1)).class_weights == (1, 2)


@pytest.mark.parametrize("name", ["exclusive", "overlapping"])
def test_the_centreline_term_equals_monais_of_each_label(name: str) -> None:
    # MONAI's adds all channels up; the labels of a patch are compared one by one here.
    logits, targets = example() if name == "exclusive" else sets()
    labels, shares = (TWO, logits.softmax(1)[:, 1:]) if name == "exclusive" else (SETS, logits.sigmoid())
    truth = one_hot(targets[:, None], 3)[:, 1:] if name == "exclusive" else targets
    monais = monai.losses.SoftclDiceLoss(iter_=3, smooth=1e-9)
    expected = np.mean([monais(shares[i : i + 1, [k]], truth[i : i + 1, [k]]) for i in (0, 1) for k in (0, 1)])
    found = loss_of(logits, targets, labels=labels, name="cl_dice", cl_dice_share=1.0)
    assert found.item() == pytest.approx(expected, abs=1e-5)
    dice = loss_of(logits, targets, labels=labels, name="dice")
    half = loss_of(logits, targets, labels=labels, name="cl_dice")
    assert half.item() == pytest.approx((found.item() + dice.item()) / 2, abs=1e-5)


def test_a_broken_vessel_costs_cl_dice_more_than_dice() -> None:
    tube = torch.zeros(1, 1, 16, 16)
    tube[..., 6:9, :] = 1
    broken, thinner = tube.clone(), tube.clone()
    broken[..., 7:9] = 0
    thinner[..., 8, :8] = 0
    lost = [1 - (soft_skel(tube, 2) * wrong).sum() / soft_skel(tube, 2).sum() for wrong in (broken, thinner)]
    assert lost[0] > lost[1]
    one = Labels.from_config({"vessel": 1})
    values = {}
    for key, wrong in (("broken", broken), ("thinner", thinner)):
        logits = torch.cat([-8 * (2 * wrong - 1), 8 * (2 * wrong - 1)], 1)
        judged = torch.ones(1, 1, dtype=torch.bool)
        values[key] = loss_of(logits, tube[:, 0], judged, one, name="cl_dice", cl_dice_share=1.0).item()
    assert values["broken"] > 2 * values["thinner"]


@pytest.mark.parametrize("name", ["exclusive", "overlapping"])
def test_the_distance_term_equals_monais(name: str) -> None:
    logits, targets = example() if name == "exclusive" else sets()
    judged = torch.ones(2, 2, dtype=torch.bool)
    if name == "exclusive":
        seen = compare_exclusive(logits, targets.to(torch.uint8), judged)
        monais = monai.losses.HausdorffDTLoss(to_onehot_y=True, softmax=True)(logits, targets[:, None])
    else:
        seen = compare_overlapping(logits, targets.to(torch.uint8), judged)
        monais = monai.losses.HausdorffDTLoss(sigmoid=True, include_background=True)(logits, targets)
    assert HausdorffDistance(2.0)(seen).item() == pytest.approx(monais.item(), rel=1e-5)


def test_the_distance_term_counts_like_dice_and_cross_entropy_at_first() -> None:
    logits, indices = example()
    plain = loss_of(logits, indices).item()
    far = HausdorffDistance(2.0)(compare_exclusive(logits, indices.to(torch.uint8), torch.ones(2, 2).bool())).item()
    assert loss_of(logits, indices, name="hausdorff").item() == pytest.approx(plain + min(plain, far), rel=1e-5)
    assert loss_of(logits, indices, name="hausdorff", hausdorff_weight=0).item() == pytest.approx(plain)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", ["exclusive", "overlapping"])
def test_ignored_voxels_change_neither_loss_nor_gradient(name: str, kind: str) -> None:
    logits, targets = example() if kind == "exclusive" else sets()
    labels = TWO if kind == "exclusive" else SETS
    targets[..., :4] = IGNORE_INDEX
    changed = logits.clone()
    changed[..., :4] += torch.randn_like(changed[..., :4]) * 10
    logits.requires_grad_()
    loss = loss_of(logits, targets, labels=labels, name=name)
    loss.backward()
    assert loss.item() == pytest.approx(loss_of(changed, targets, labels=labels, name=name).item(), abs=1e-6)
    assert logits.grad[..., :4].abs().max() == 0
    assert logits.grad[..., 4:].abs().max() > 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", ["exclusive", "overlapping"])
def test_a_batch_in_which_all_is_ignored_teaches_nothing(name: str, kind: str) -> None:
    logits, targets = example() if kind == "exclusive" else sets()
    logits.requires_grad_()
    labels = TWO if kind == "exclusive" else SETS
    loss = loss_of(logits, torch.full_like(targets, IGNORE_INDEX), labels=labels, name=name)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", ["exclusive", "overlapping"])
def test_it_falls_to_about_0_and_its_gradient_stays_finite(name: str, kind: str) -> None:
    _, targets = example() if kind == "exclusive" else sets()
    truth = F.one_hot(targets, 3).movedim(-1, 1).float() if kind == "exclusive" else targets
    labels = TWO if kind == "exclusive" else SETS
    sure = (200 * (2 * truth - 1)).requires_grad_()
    loss = loss_of(sure, targets, labels=labels, name=name)
    loss.backward()
    assert 0 <= loss.item() < 1e-3
    assert torch.isfinite(sure.grad).all()
    wrong = (200 * (1 - 2 * truth)).requires_grad_()
    loss_of(wrong, targets, labels=labels, name=name).backward()
    assert torch.isfinite(wrong.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    torch.manual_seed(2)
    logits = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    targets = torch.randint(0, 3, (2, 5, 6)).to(torch.uint8)
    judged = torch.tensor([[True, True], [True, False]])
    if name == "hausdorff":  # its share is held fixed in the gradient
        term, values = HausdorffDistance(2.0), logits.clone().requires_grad_()
    else:
        term, values = build_loss(TWO, LossSettings(name=name)).term, logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: term(compare_exclusive(z, targets, judged)), values, eps=1e-6, atol=2e-3, rtol=2e-3
    )


def test_coarser_outputs_are_judged_at_their_own_size() -> None:
    logits, indices = example()
    coarse = torch.randn(2, 3, 4, 4, 8)
    brought = indices[:, 1::2, 1::2]
    both = [loss_of(logits, indices).item(), loss_of(coarse, brought).item()]
    loss = build_loss(TWO, LossSettings())
    assert loss([logits, coarse], batch_of(indices)).item() == pytest.approx((both[0] + both[1] / 2) / 1.5, abs=1e-5)
    chosen = build_loss(TWO, LossSettings(supervision=(1, 3)))
    assert chosen([logits, coarse], batch_of(indices)).item() == pytest.approx((both[0] + 3 * both[1]) / 4, abs=1e-5)
    finest = build_loss(TWO, LossSettings(supervision=(1,)))
    assert finest([logits, coarse], batch_of(indices)).item() == pytest.approx(both[0], abs=1e-6)


def test_targets_are_brought_down_as_torch_does_it() -> None:
    targets = torch.randint(0, 256, (2, 2, 12, 10, 7)).to(torch.uint8)
    for shape in ((6, 5, 7), (3, 5, 3), (4, 10, 2)):
        expected = F.interpolate(targets.float(), shape, mode="nearest-exact").to(torch.uint8)
        assert torch.equal(brought_to(targets, torch.Size(shape)), expected)


@pytest.mark.parametrize(
    ("labels", "settings", "found"),
    [
        (TWO, {"class_weights": (1, 2)}, "2 weights, expected 3"),
        (SETS, {"class_weights": (1, 2, 3)}, "3 weights, expected 2.*there is no background"),
        (TWO, {"class_weights": (1, -2, 1)}, "none below 0"),
        (TWO, {"class_weights": "balanced"}, "balanced, expected 3 numbers"),
        (TWO, {"supervision": (0, 1)}, "the first above it"),
        (TWO, {"supervision": ()}, "the first above it"),
    ],
)
def test_settings_that_do_not_fit_are_told_before_training(labels: Labels, settings: dict, found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        build_loss(labels, LossSettings(**settings))


@pytest.mark.parametrize("name", get_args(LossSettings.model_fields["name"].annotation))
def test_class_weights_are_refused_where_they_would_change_nothing(name: str) -> None:
    logits, indices = example()
    found = []
    for weights in ((1, 1, 1), (1, 5, 1)):
        try:
            found.append(loss_of(logits, indices, name=name, class_weights=weights).item())
        except ValidationError as error:
            found.append("has no class weights" in str(error))
    assert found == [True, True] or found[0] != found[1]


def test_every_loss_can_be_named_in_a_config() -> None:
    assert get_args(LossSettings.model_fields["name"].annotation) == tuple(LOSSES)
