"""How far another way to compute a network agrees with PyTorch, and how far it must.

Both see the same probe, and float32 in PyTorch is the truth. The limits:

- fp32: logits differ by at most 1e-4 of their size in the root mean square, and nowhere by more than 1e-3 of the
  largest. Float32 has seven digits, of which sums of up to a million products in another order, through some twenty
  layers, leave four or five (1e-5 is what we see); a layer that does another thing (a border, an epsilon, a corner of
  an interpolation) is off by a percent. Dice of each label at least 0.999.
- bf16 has eight bits, and an untrained network shows each rounding. What rounding alone costs is therefore measured:
  PyTorch in bf16 on the same probe. A conversion may be twice as far from float32 as that (it rounds in other
  places), in the logits, and in the Dice that is lost, with 0.001 on top.

The Dice of a label counts from 1000 voxels in the probe; of fewer, one voxel on an edge would decide.
"""

import math
from collections.abc import Callable

import torch
from torch.nn import functional

from medseg.config import Settings
from medseg.inference.backends.original import Original

__all__ = ["Agreement", "Run", "measure_agreement", "probe"]

Run = Callable[[torch.Tensor], torch.Tensor]

_COUNTING = 1000


class Agreement(Settings):
    """What was measured; differences and sizes of logits, Dice of each label (None where it is too small).

    `bf16` tells the same of PyTorch in bf16, the measure of what rounding costs; only where a conversion rounds so.
    """

    largest_difference: float | None
    rms_difference: float | None
    largest_logit: float
    rms_logit: float
    dice: tuple[float | None, ...]
    bf16: "Agreement | None" = None

    @property
    def least_dice(self) -> float:
        """Of the label that agrees worst; 1 where none is large enough to count."""
        return min((dice for dice in self.dice if dice is not None), default=1.0)

    @property
    def told(self) -> str:
        """For people."""
        logits = f"logits within {self.largest_difference:.2g} of {self.largest_logit:.2g}"
        if all(dice is None for dice in self.dice):
            return f"{logits}, labels too small for Dice"
        return f"Dice {self.least_dice:.4f}, {logits}"

    def refusal(self) -> str:
        """What is beyond its limit, as a clause; empty where nothing is."""
        if self.largest_difference is None or self.rms_difference is None:
            return "answers numbers that are not finite"
        if self.bf16 is None:
            largest, rms, dice = 1e-3 * self.largest_logit, 1e-4 * self.rms_logit, 0.999
        else:
            largest, rms = math.inf, 2 * (self.bf16.rms_difference or 0.0)
            dice = 1 - 2 * (1 - self.bf16.least_dice) - 0.001
        if self.rms_difference > rms or self.largest_difference > largest or self.least_dice < dice:
            limits = f"limits: Dice {dice:.4f}, {rms:.2g} in the root mean square"
            return f"disagrees with torch ({self.told}, {self.rms_difference:.2g} in the root mean square; {limits})"
        return ""


def probe(window: tuple[int, ...]) -> torch.Tensor:
    """Two windows (2, C, *patch) like normalised images, the same at each call: smooth bodies with noise.

    The second has twice the contrast, so that more than background is found in one of them.
    """
    generator = torch.Generator().manual_seed(20)
    coarse = [max(2, size // 8) for size in window[1:]]
    bodies = torch.randn(2, window[0], *coarse, generator=generator)
    mode = "bilinear" if len(coarse) == 2 else "trilinear"
    smooth = functional.interpolate(bodies, size=window[1:], mode=mode, align_corners=False)
    smooth = smooth * torch.tensor([1.0, 2.0]).view(-1, *(1 for _ in window))
    return smooth + 0.2 * torch.randn(2, *window, generator=generator)


def measure_agreement(run: Run, original: Original, precision: str) -> Agreement:
    """Let both see the probe.

    Args:
        run: What is judged.
        original: The network in PyTorch, on the CPU.
        precision: In what `run` computes: fp32 or bf16.
    """
    windows = probe(original.window)
    truth = _each(original.network, windows)
    found = _compared(_each(run, windows), truth, original.exclusive)
    if precision != "bf16":
        return found
    with torch.autocast("cpu", torch.bfloat16):
        rounded = _each(original.network, windows)
    return found.model_copy(update={"bf16": _compared(rounded, truth, original.exclusive)})


@torch.no_grad()
def _each(run: Run, windows: torch.Tensor) -> torch.Tensor:
    return torch.cat([run(window[None]).float() for window in windows])


def _compared(found: torch.Tensor, truth: torch.Tensor, exclusive: bool) -> Agreement:
    away = (found - truth).double()
    finite = bool(found.isfinite().all())
    return Agreement(
        largest_difference=float(away.abs().max()) if finite else None,
        rms_difference=float(away.square().mean().sqrt()) if finite else None,
        largest_logit=float(truth.abs().max()),
        rms_logit=float(truth.double().square().mean().sqrt()),
        dice=tuple(_dice(*pair) for pair in zip(_masks(found, exclusive), _masks(truth, exclusive), strict=True)),
    )


def _masks(logits: torch.Tensor, exclusive: bool) -> list[torch.Tensor]:
    if not exclusive:
        return list((logits > 0).unbind(1))
    indices = logits.argmax(1)
    return [indices == label for label in range(1, logits.shape[1])]


def _dice(found: torch.Tensor, truth: torch.Tensor) -> float | None:
    if truth.sum() < _COUNTING:
        return None
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))
