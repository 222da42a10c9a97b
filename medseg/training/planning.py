"""From the fingerprint of the data to a plan: every number has a rule and a reason, and any can be overridden."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medseg.config import check
from medseg.errors import ConfigError
from medseg.labels import Labels
from medseg.networks.residual import BLOCKS
from medseg.plan import NetworkPlan, Plan
from medseg.training.fingerprint import Fingerprint
from medseg.training.grid import median_shape, normalisation_of, small_lesions, working_grid
from medseg.training.memory import memory_text, step_bytes
from medseg.training.topology import divisible, kernels_for, patch_within, strides_for

__all__ = ["SET", "compute_plan", "overridden"]

SET = "set by the config"
# Largest patch in voxels or pixels, patch voxels per step, features of the first level and of the deepest.
_BUDGETS = {
    ("cpu", 2): (256 * 256, 8 * 256 * 256, 24, 192),
    ("cpu", 3): (48**3, 2 * 40 * 56 * 40, 24, 192),
    ("gpu", 2): (512 * 512, 12 * 512 * 512, 32, 512),
    ("gpu", 3): (128**3, 2 * 128**3, 32, 320),
}
_BATCHES = (2, 16)  # patches of a step, at least and at most
_LEAST = 12  # mean side of the smallest patch that is tried


@dataclass(frozen=True)
class _Step:
    """What one training step works on."""

    patch: tuple[int, ...]
    batch: int
    network: NetworkPlan

    @property
    def bytes(self) -> float:
        net = self.network
        return step_bytes(self.patch, self.batch, net.features, net.kernels, net.strides, net.blocks)


def compute_plan(
    fingerprint: Fingerprint,
    labels: Labels,
    channels: Sequence[str],
    overrides: Mapping[str, Any],
    *,
    gpu: bool = False,
    memory: int | None = None,
) -> Plan:
    """Compute the plan and apply the overrides.

    Args:
        fingerprint: Of the training cases.
        labels: What their masks can contain.
        channels: Names.
        overrides: Values of the plan, `network` a mapping.
        gpu: Whether the step runs on a graphics processor.
        memory: Bytes that a step may take; patch and batch are lowered until its estimate fits, never raised.

    Raises:
        ConfigError: An override is misspelt or does not fit, or no step fits the memory.
    """
    _require_axes(overrides, fingerprint.dims)
    patch_budget = _BUDGETS["gpu" if gpu else "cpu", fingerprint.dims][0]
    spacing, longest, why_grid = working_grid(fingerprint, patch_budget)
    if overrides.get("longest_side") is not None:  # pixels are asked for, whether or not the spacing is known
        spacing = None
    spacing, longest = overrides.get("spacing_mm", spacing), overrides.get("longest_side", longest)
    if spacing is not None and longest is not None:
        found = f"{longest}, and spacing_mm {list(spacing)}"
        raise ConfigError("plan.longest_side", found, "Give one of them: the grid is in mm or in pixels.")
    median = median_shape(fingerprint, spacing, longest)
    step, why_step = _fitted(median, spacing or (1.0,) * fingerprint.dims, overrides, gpu, memory)
    normalised = [normalisation_of(fingerprint, channel) for channel in range(fingerprint.channels)]
    volumes = fingerprint.dims == 3
    lacking = _lacking(fingerprint.channels, None if volumes else spacing, overrides.get("preparation", ()))
    lost = small_lesions(fingerprint, spacing, longest)
    grid = f"{why_grid}; {lost}" if lost else why_grid
    reasons = {
        "spacing_mm" if spacing is not None else "longest_side": grid,
        "resampling": "splines keep detail; linear across slices more than 3 times as thick as pixels, as labels are"
        if volumes
        else "linear and smoothed, as pictures are mostly made smaller",
        "normalisation": "; ".join(dict.fromkeys(why for _, why in normalised)),
        "crop_above": _why_cropped(fingerprint),
        **why_step,
        "portable": f"plain MONAI lacks {', '.join(lacking)}" if lacking else "plain MONAI can do all of it",
    }
    computed = {
        "dims": fingerprint.dims,
        "channels": tuple(channels),
        "modality": fingerprint.modality,
        "labels": labels.to_config(),
        "spacing_mm": spacing,
        "longest_side": longest,
        "resampling": "cubic" if volumes else "linear",
        "normalisation": tuple(normalisation for normalisation, _ in normalised),
        "crop_above": fingerprint.crop_above,
        "batch_size": step.batch,
        "step_mib": round(step.bytes / 2**20),
        "portable": not lacking,
    }
    decided = {"patch_size": step.patch, "network": step.network, "reasons": overridden(reasons, overrides)}
    return check(Plan, {**computed, **overrides, **decided}, "plan")


def _lacking(
    channels: int, picture_spacing_mm: Sequence[float] | None, preparation: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What plain MONAI lacks: our steps, the spacing of pictures, and in the bundle's call cases of several files."""
    steps = ", ".join(name for step in preparation for name in step)
    return [
        *([f"the preparation {steps}"] if steps else []),
        *(["the spacing of pictures"] if picture_spacing_mm is not None else []),
        *(["cases of several files"] if channels > 1 else []),
    ]


def overridden(reasons: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, str]:
    """The reasons, of which each value that the config sets has that for one; inner keys have dots."""
    network = overrides.get("network", {})
    given = [key for key in overrides if key not in ("network", "reading", "preparation")]
    return {**reasons, **dict.fromkeys([*given, *(f"network.{key}" for key in network)], SET)}


def _fitted(
    median: np.ndarray, spacing: Sequence[float], overrides: Mapping[str, Any], gpu: bool, memory: int | None
) -> tuple[_Step, dict[str, str]]:
    """The largest step within the budgets of voxels whose estimate fits the memory, and its reasons."""
    volume, voxels, width, widest = _BUDGETS["gpu" if gpu else "cpu", len(median)]
    budget = float(volume)
    step = _step(median, spacing, overrides, budget, voxels, (width, widest))
    lowered = memory is not None and step.bytes > memory
    while memory is not None and step.bytes > memory:
        fewer = [replace(step, batch=batch) for batch in range(step.batch - 1, 0, -1)]
        fixed, smallest = "patch_size" in overrides, budget <= _LEAST ** len(median)
        least = 1 if fixed or smallest else _BATCHES[0]
        fits = [one for one in fewer if one.batch >= least and one.bytes <= memory]
        if fits and "batch_size" not in overrides:
            step = fits[0]
        elif fixed or smallest:
            found = f"{memory_text(memory)}, but the smallest step takes about {memory_text(step.bytes)}"
            mend = "Give more, lower plan.network.features, or leave plan.patch_size and plan.batch_size to the plan."
            raise ConfigError("memory", found, mend)
        else:
            budget = 0.9 * min(budget, float(np.prod(median)))
            step = _step(median, spacing, overrides, budget, voxels, (width, widest))
    return step, _why_step(step, median, gpu, memory, lowered)


def _step(
    median: np.ndarray,
    spacing: Sequence[float],
    overrides: Mapping[str, Any],
    budget: float,
    voxels: int,
    widths: tuple[int, int],
) -> _Step:
    network = overrides.get("network", {})
    patch = tuple(overrides.get("patch_size", patch_within(median, spacing, budget)))
    strides = tuple(map(tuple, network.get("strides", strides_for(patch, spacing))))
    wanted = tuple(network.get("features", [min(widths[0] * 2**level, widths[1]) for level in range(len(strides))]))
    strides = strides[: len(wanted)]  # fewer features than levels: a shallower network
    blocks = tuple(BLOCKS[: len(strides)]) if network.get("name") == "resenc" else ()
    computed = {
        "features": wanted,
        "strides": strides,
        "kernels": kernels_for(strides, spacing),
        "blocks": blocks,
    }
    batch = int(np.clip(round(voxels / math.prod(patch)), *_BATCHES))
    planned = check(NetworkPlan, {**computed, **network, "strides": strides}, "plan.network")
    return _Step(divisible(patch, planned.factors), overrides.get("batch_size", batch), planned)


def _why_step(step: _Step, median: np.ndarray, gpu: bool, memory: int | None, lowered: bool) -> dict[str, str]:
    whole = "×".join(f"{n:.0f}" for n in median)
    bound = f"the median image is {whole} on that grid; "
    if lowered:
        bound += f"lowered until a step fits {memory_text(memory or 0)}"
    elif gpu:
        bound += "at most 128³ voxels or 512² pixels, rounded up to whole halvings"
    else:
        bound += (
            "a CPU is bound by time, not by memory: at most 48³ voxels or 256² pixels, rounded up to whole halvings"
        )
    told = {
        "patch_size": bound,
        "batch_size": f"lowered until a step fits {memory_text(memory or 0)}"
        if lowered
        else f"patches that fill a step of a {'GPU' if gpu else 'CPU'}, from {_BATCHES[0]} to {_BATCHES[1]}",
        "network.name": "a plain U-Net, the best Dice for the time; resenc is the residual encoder",
        "network.features": "doubled at each level, up to what a GPU fills"
        if gpu
        else "doubled at each level, up to what a CPU trains in minutes",
        "network.strides": "an axis is halved while 4 voxels are left, a thick one once the others are as coarse",
        "network.kernels": "3, but 1 across slices that are more than twice as thick as pixels are wide",
        "step_mib": "estimate of what a training step holds in float32: "
        + (f"the limit is {memory_text(memory)}" if memory is not None else "no limit was given (memory=8GiB, say)"),
    }
    return told | ({"network.blocks": "as nnU-Net's ResEnc presets"} if step.network.blocks else {})


def _why_cropped(fingerprint: Fingerprint) -> str:
    if fingerprint.dims == 2:
        return "pictures are seen whole"
    share = f"the border is air or 0 in {fingerprint.zero_border:.0%} of the cases"
    return f"{share}: cropping to the body pays" if fingerprint.crop_above is not None else f"{share}: nothing to crop"


def _require_axes(overrides: Mapping[str, Any], dims: int) -> None:
    """Refuse sizes of another number of axes than the images have."""
    network = overrides.get("network", {})
    listed = {key: overrides[key] for key in ("patch_size", "spacing_mm") if overrides.get(key) is not None}
    listed |= {
        f"network.{key}[{i}]": one for key in ("strides", "kernels") for i, one in enumerate(network.get(key, ()))
    }
    for key, sizes in listed.items():
        if not isinstance(sizes, (list, tuple)) or len(sizes) != dims:
            found = f"{sizes} does not fit images of {dims} axes"
            raise ConfigError(f"plan.{key}", found, "Give one number an axis, or leave it to the plan.")
