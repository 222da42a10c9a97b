"""Dice + cross-entropy: as MONAI's where nothing is ignored, and blind where something is."""

import pytest
import torch
from monai.losses import DiceCELoss

from medseg.labels import IGNORE_INDEX
from medseg.training.batch import Batch
from medseg.training.losses.dice_ce import DiceCrossEntropy


def loss_of(logits, indices, weights=None):
    batch = Batch(
        torch.empty(0), indices.to(torch.uint8), torch.ones(len(logits), logits.shape[1] - 1, dtype=torch.bool)
    )
    return DiceCrossEntropy(weights)([logits], batch)


def example():
    torch.manual_seed(0)
    return torch.randn(2, 3, 8, 8, 8), torch.randint(0, 3, (2, 8, 8, 8))


def test_it_equals_monai_where_every_voxel_is_judged():
    logits, indices = example()
    monai = DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5
    )
    assert loss_of(logits, indices).item() == pytest.approx(monai(logits, indices[:, None]).item(), abs=1e-5)


def test_class_weights_equal_monais():
    logits, indices = example()
    weights = (0.2, 1.0, 3.0)
    monai = DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, batch=True,
        smooth_nr=1e-5, smooth_dr=1e-5, weight=torch.tensor(weights),
    )  # fmt: skip
    # MONAI passes the weights of all classes to cross-entropy only where the background is included in Dice.
    expected = torch.nn.functional.cross_entropy(logits, indices, torch.tensor(weights))
    assert loss_of(logits, indices, weights) - loss_of(logits, indices) == pytest.approx(
        (expected - torch.nn.functional.cross_entropy(logits, indices)).item(), abs=1e-5
    )
    assert monai.cross_entropy.weight.shape == (3,)


def test_ignored_voxels_change_neither_loss_nor_gradient():
    logits, indices = example()
    indices[:, :4] = IGNORE_INDEX
    changed = logits.clone()
    changed[:, :, :4] += torch.randn_like(changed[:, :, :4]) * 10
    logits.requires_grad_()
    loss = loss_of(logits, indices)
    loss.backward()
    assert loss.item() == pytest.approx(loss_of(changed, indices).item(), abs=1e-6)
    assert logits.grad[:, :, :4].abs().max() == 0


def test_a_batch_in_which_all_is_ignored_teaches_nothing():
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = loss_of(logits, torch.full((1, 4, 4), IGNORE_INDEX))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0
