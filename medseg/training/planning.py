"""From the fingerprint of the data to a plan: every number has a rule, and any can be overridden."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medseg.config import check
from medseg.labels import Labels
from medseg.plan import Normalisation, Plan
from medseg.training.fingerprint import Fingerprint

__all__ = ["make_plan"]

# Largest patch in voxels or pixels, patch voxels per step, features of the first level and of the deepest.
_BUDGETS = {
    ("cpu", 2): (256 * 256, 8 * 256 * 256, 24, 192),
    ("cpu", 3): (48**3, 2 * 40 * 56 * 40, 24, 192),
    ("gpu", 2): (512 * 512, 12 * 512 * 512, 32, 512),
    ("gpu", 3): (128**3, 2 * 128**3, 32, 320),
}
_RADIOGRAPHY = {"CR", "DX", "MG", "RG", "RF", "XA"}
_ANISOTROPIC = 3.0  # a spacing this many times the finest counts as thick slices, as in nnU-Net
_SMALLEST = 4  # no axis is halved below this many voxels


def make_plan(
    fingerprint: Fingerprint,
    labels: Labels,
    channels: Sequence[str],
    overrides: Mapping[str, Any],
    *,
    gpu: bool = False,
) -> Plan:
    """Compute the plan and apply the overrides.

    Raises:
        ConfigError: An override is misspelt or does not fit.
    """
    dims = fingerprint.dims
    patch_budget, step_budget, width, widest = _BUDGETS["gpu" if gpu else "cpu", dims]
    spacing, longest = _working_grid(fingerprint, patch_budget)
    spacing = overrides.get("spacing_mm", spacing)
    longest = overrides.get("longest_side", longest)
    median = _median_working_shape(fingerprint, spacing, longest)
    steps = spacing or (1.0,) * dims
    patch = tuple(overrides.get("patch_size", _patch(median, steps, patch_budget)))
    network = dict(overrides.get("network", {}))
    strides = tuple(network.get("strides", _strides(patch, steps)))
    features = tuple(network.get("features", [min(width * 2**level, widest) for level in range(len(strides))]))
    strides = strides[: len(features)]  # fewer features than levels: a shallower network
    computed = {
        "dims": dims,
        "channels": tuple(channels),
        "modality": fingerprint.modality,
        "labels": labels.to_config(),
        "spacing_mm": spacing,
        "longest_side": longest,
        "normalisation": tuple(_normalisation(fingerprint, i) for i in range(fingerprint.channels)),
        "crop_above": _crop_above(fingerprint),
        "patch_size": _divisible(patch, strides),
        "batch_size": int(np.clip(round(step_budget / math.prod(patch)), 2, 16)),
        # Plain MONAI reads no spacing from a PNG and lacks our preparation; the bundle's call takes one file a case.
        "portable": fingerprint.channels == 1 and (dims == 3 or spacing is None) and not overrides.get("preparation"),
        "network": {"features": features, "kernels": _kernels(strides, steps), "strides": strides} | network,
    }
    return check(
        Plan, {**computed, **overrides, "network": computed["network"], "patch_size": computed["patch_size"]}, "plan"
    )


def _working_grid(fingerprint: Fingerprint, patch_budget: int) -> tuple[tuple[float, ...] | None, int | None]:
    """Target spacing, or the pixels of the longest side where spacing is unknown.

    Volumes: the median spacing of each axis; across thick slices the finest tenth, so that good scans keep their
    slices (nnU-Net's rule). Radiographs: the whole image has to fit a patch, so that the network sees the anatomy.
    """
    sides = np.median(fingerprint.shapes.max(axis=1))
    if fingerprint.dims == 2:
        side = min(sides, math.sqrt(patch_budget))
        if fingerprint.spacings_mm is None:
            return None, round(side)
        return tuple(float(s) for s in np.median(fingerprint.spacings_mm, axis=0) * (sides / side)), None
    if fingerprint.spacings_mm is None:
        return None, round(sides)
    target = np.median(fingerprint.spacings_mm, axis=0)
    coarse = int(np.argmax(target))
    if target[coarse] > _ANISOTROPIC * np.delete(target, coarse).max():
        target[coarse] = max(np.percentile(fingerprint.spacings_mm[:, coarse], 10), np.delete(target, coarse).max())
    return tuple(float(s) for s in np.round(target, 6)), None


def _median_working_shape(fingerprint: Fingerprint, spacing: Sequence[float] | None, longest: int | None) -> np.ndarray:
    if spacing is not None and fingerprint.spacings_mm is not None:
        return np.median(np.rint(fingerprint.shapes * fingerprint.spacings_mm / np.asarray(spacing)), axis=0)
    sides = fingerprint.shapes.max(axis=1, keepdims=True)
    return np.median(np.rint(fingerprint.shapes * (longest or sides) / sides), axis=0)


def _patch(median: np.ndarray, steps: Sequence[float], budget: int) -> tuple[int, ...]:
    """The median image, made smaller along its longest physical side until it fits the budget."""
    patch = np.maximum(median, _SMALLEST)
    while patch.prod() > budget:
        longest = int(np.argmax(patch * np.asarray(steps)))
        patch[longest] = math.ceil(patch[longest] * 0.95 - 1)
    return tuple(int(n) for n in patch)


def _strides(patch: Sequence[int], steps: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """Halve the axes that are long enough; a coarse axis waits until the others are as coarse."""
    size, step = np.array(patch, dtype=float), np.array(steps, dtype=float)
    strides = [(1,) * len(patch)]
    while len(strides) < 7:
        halve = (size / 2 >= _SMALLEST) & (step < 2 * step[size / 2 >= _SMALLEST].min(initial=np.inf))
        if not halve.any():
            break
        strides.append(tuple(2 if h else 1 for h in halve))
        size, step = np.where(halve, size / 2, size), np.where(halve, step * 2, step)
    while len(strides) < 3:  # the smallest U-Net that MONAI builds
        strides.append((1,) * len(patch))
    return tuple(strides)


def _kernels(strides: Sequence[Sequence[int]], steps: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """3 along each axis, but 1 across slices while they are more than twice as thick as pixels are wide."""
    step = np.array(steps, dtype=float)
    kernels = []
    for stride in strides:
        step = step * stride
        kernels.append(tuple(1 if s > 2 * step.min() else 3 for s in step))
    return tuple(kernels)


def _divisible(patch: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The patch rounded up so that every halving is whole."""
    factors = np.prod(np.array(strides), axis=0)
    return tuple(int(math.ceil(n / f) * f) for n, f in zip(patch, factors, strict=True))


def _normalisation(fingerprint: Fingerprint, channel: int) -> Normalisation:
    if fingerprint.dims == 2 and (fingerprint.modality in _RADIOGRAPHY or not fingerprint.modality):
        return Normalisation(method="percentile", lower=1.0, upper=99.0)
    if fingerprint.modality != "CT":
        return Normalisation(method="zscore")
    voxels = fingerprint.intensities[channel]
    if voxels.size == 0:
        return Normalisation(method="ct", lower=-1000, upper=1000, mean=0, sd=300)
    lower, upper = np.percentile(voxels, [0.5, 99.5])
    clipped = np.clip(voxels, lower, upper)
    sd = max(float(clipped.std()), 1.0)
    return Normalisation(method="ct", lower=float(lower), upper=float(upper), mean=float(clipped.mean()), sd=sd)


def _crop_above(fingerprint: Fingerprint) -> float | None:
    if fingerprint.dims == 2 or fingerprint.zero_border < 0.5:
        return None
    return -500.0 if fingerprint.modality == "CT" else 0.0
