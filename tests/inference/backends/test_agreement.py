"""What counts as agreeing with PyTorch."""

import math

import pytest
import torch
from torch import nn

from medseg.inference.backends.agreement import measure_agreement, probe
from medseg.inference.backends.original import Original

WINDOW = (1, 48, 40)


@pytest.fixture(scope="module")
def original():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 3, 5, padding=2)
        return Original(nn.Sequential(*layers).eval(), WINDOW)


@pytest.mark.parametrize("window", [(1, 8, 8), (2, 33, 20), (1, 16, 16, 4), (3, 8, 9, 1)])
def test_the_probe_is_the_same_at_each_call_and_leaves_the_generator_alone(window):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = probe(window)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, probe(window))
    assert first.shape == (2, *window)
    assert first.isfinite().all()


def test_the_network_agrees_with_itself(original):
    agreement = measure_agreement(original.network, original, "fp32")
    assert (agreement.largest_difference, agreement.rms_difference, agreement.least_dice) == (0, 0, 1)
    assert agreement.refusal() == ""


def test_dice_is_that_of_the_masks(original):
    def other(windows):
        return original.network(windows).roll(3, dims=-1)

    agreement = measure_agreement(other, original, "fp32")
    with torch.no_grad():
        truth, found = (torch.cat([run(one[None]) for one in probe(WINDOW)]) for run in (original.network, other))
    for label, dice in enumerate(agreement.dice, start=1):
        a, b = truth.argmax(1) == label, found.argmax(1) == label
        size = int(a.sum())
        assert (dice is None) == (size < 1000)
        if dice is not None:
            assert dice == pytest.approx(2 * int((a & b).sum()) / (size + int(b.sum())))


@pytest.mark.parametrize("change", [1e-3, 1e-2])
def test_a_layer_that_does_another_thing_is_refused_in_fp32(original, change):
    agreement = measure_agreement(lambda windows: original.network(windows * (1 + change)), original, "fp32")
    assert "disagrees with torch (" in agreement.refusal()


def test_rounding_to_bf16_is_refused_as_fp32_and_taken_as_bf16(original):
    def rounded(windows):
        with torch.autocast("cpu", torch.bfloat16):
            return original.network(windows)

    assert measure_agreement(rounded, original, "fp32").refusal()
    agreement = measure_agreement(rounded, original, "bf16")
    assert agreement.refusal() == ""
    assert agreement.rms_difference == agreement.bf16.rms_difference


def test_three_times_the_rounding_of_bf16_is_refused(original):
    def worse(windows):
        exact = original.network(windows)
        with torch.autocast("cpu", torch.bfloat16):
            return exact + 3 * (original.network(windows).float() - exact)

    assert "disagrees" in measure_agreement(worse, original, "bf16").refusal()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(original, value):
    def broken(windows):
        logits = original.network(windows)
        logits[..., 0, 0] = value
        return logits

    assert "not finite" in measure_agreement(broken, original, "fp32").refusal()
    assert "not finite" in measure_agreement(broken, original, "bf16").refusal()


def test_overlapping_labels_are_judged_by_the_sign_of_each():
    original = Original(nn.Conv2d(1, 2, 3, padding=1).eval(), WINDOW, exclusive=False)
    agreement = measure_agreement(original.network, original, "fp32")
    assert len(agreement.dice) == 2
