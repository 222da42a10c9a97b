"""From a native image to the network's grid.

Reorient to RAS, prepare by the plan's steps (which may crop and flip), normalise, crop to the body, resize to the
plan's grid (extents kept; by splines or linearly, as the plan says); `SlabRestorer` runs the same backwards, linearly.
Normalisation comes before the crop to the body so that that crop never changes an intensity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medseg.errors import InputError
from medseg.geometry import Geometry, Reorientation
from medseg.image import Image
from medseg.plan import Plan
from medseg.transforms.normalise import normalise
from medseg.transforms.preparation.apply import Applied, apply_steps
from medseg.transforms.resize import resize
from medseg.transforms.splines import spline_orders, spline_resize

__all__ = [
    "Prepared",
    "Restoration",
    "apply_preparation",
    "body_box",
    "box_of_hits",
    "prepare",
    "prepare_labels",
    "require_fit",
]

_CROP_MARGIN = 4  # voxels kept round the body, so that its edge is seen with some air


@dataclass(frozen=True, eq=False)
class Restoration:
    """The way back: native grid, how it was turned, the box kept of it and the shape that the network saw."""

    native: Geometry
    turn: Reorientation
    box: tuple[slice, ...]
    working_shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network sees: float32, shape (C, *working shape), the way back, and what a step did not find."""

    voxels: torch.Tensor
    restoration: Restoration
    notes: tuple[str, ...] = ()


def prepare(image: Image, plan: Plan, *, crop: bool = True) -> Prepared:
    """Bring an image to the plan's orientation, intensities and grid.

    Raises:
        InputError: Channels or dimensions are not the plan's, or the spacing that it needs is unknown.
    """
    require_fit(image, plan)
    applied = apply_preparation(image, plan.preparation)
    body = body_box(applied.voxels, plan.crop_above if crop else None)
    normalised = normalise(applied.voxels, plan.normalisation)[(slice(None), *body)]
    box = tuple(
        slice(kept.start + side.start, kept.start + side.stop) for kept, side in zip(applied.box, body, strict=True)
    )
    turned = image.geometry.reoriented(applied.turn)
    shape = plan.working_shape(turned.cropped([side.start for side in box], normalised.shape[1:]))
    resized = _resized(normalised, shape, turned, plan)
    return Prepared(resized, Restoration(image.geometry, applied.turn, box, shape), applied.notes)


def _resized(voxels: torch.Tensor, shape: tuple[int, ...], grid: Geometry, plan: Plan) -> torch.Tensor:
    if plan.resampling == "linear":
        return resize(voxels, shape)
    native = grid.spacing_mm if plan.spacing_mm is not None else None
    return spline_resize(voxels, shape, spline_orders(native, plan.spacing_mm, plan.dims))


def apply_preparation(image: Image, steps: Sequence[Mapping[str, Mapping[str, Any]]]) -> Applied:
    """An image in RAS after a plan's steps of preparation, before normalisation: what a fingerprint is taken of.

    Raises:
        ConfigError: A step is unknown.
    """
    turn = image.geometry.to_canonical
    # A copy always: torch refuses the negative stride that a flipped axis of one voxel keeps.
    voxels = torch.from_numpy(np.array(turn.apply(image.voxels), dtype=np.float32, order="C"))
    voxels = torch.nan_to_num(voxels, nan=0.0, posinf=0.0, neginf=0.0)
    return apply_steps(voxels, image.geometry.reoriented(turn), turn, steps)


def prepare_labels(indices: np.ndarray, restoration: Restoration) -> torch.Tensor:
    """Targets (uint8, native grid) on the network's grid: linear per class, then the largest wins.

    Args:
        indices: Class indices, shape native; or of overlapping labels 0, 1 and the ignored for each, shape
            (labels, *native).
        restoration: How the image was prepared.

    Returns:
        uint8, shape working shape, or (labels, *working shape).
    """
    if indices.ndim > len(restoration.working_shape):
        return torch.stack([prepare_labels(one, restoration) for one in indices])
    turned = np.array(restoration.turn.apply(indices)[restoration.box], order="C")
    native = torch.from_numpy(turned)
    if turned.shape == restoration.working_shape:
        return native
    largest = torch.zeros(restoration.working_shape)
    winner = torch.zeros(restoration.working_shape, dtype=torch.uint8)
    for index in np.unique(turned):
        share = resize((native == index).float()[None], restoration.working_shape)[0]
        better = share > largest
        winner[better] = int(index)
        largest[better] = share[better]
    return winner


def body_box(voxels: torch.Tensor, above: float | None) -> tuple[slice, ...]:
    """The box round all voxels above the threshold in any channel, with a margin; everything where none is.

    Args:
        voxels: Shape (C, *spatial).
        above: The threshold; `None` keeps everything.
    """
    if above is None:
        return tuple(slice(0, n) for n in voxels.shape[1:])
    inside = (voxels > above).any(0)
    axes = range(inside.ndim)
    return box_of_hits([inside.amax([i for i in axes if i != axis]).numpy() for axis in axes])


def box_of_hits(hits: Sequence[np.ndarray]) -> tuple[slice, ...]:
    """The box round the planes that hold anything, with a margin; everything where none does.

    Args:
        hits: Along each axis which planes hold any, boolean.
    """
    if not all(hit.any() for hit in hits):
        return tuple(slice(0, len(hit)) for hit in hits)
    box = []
    for hit in hits:
        held = np.flatnonzero(hit)
        box.append(slice(max(0, int(held[0]) - _CROP_MARGIN), min(len(hit), int(held[-1]) + 1 + _CROP_MARGIN)))
    return tuple(box)


def require_fit(image: Image, plan: Plan) -> None:
    """Refuse what a plan cannot prepare.

    Raises:
        InputError: Channels or dimensions are not the plan's, or the spacing that it needs is unknown.
    """
    where = image.source or "image"
    if image.geometry.ndim != plan.dims:
        raise InputError(
            where, f"is {image.geometry.ndim}D", "Use a model trained on such images.", f"{plan.dims}D as in training"
        )
    if image.channels != len(plan.channels):
        wanted = f"{len(plan.channels)} ({', '.join(plan.channels)})"
        raise InputError(where, f"has {image.channels} channel(s)", "Give one file per channel, in this order.", wanted)
    if plan.spacing_mm is not None and not image.geometry.spacing_known:
        raise InputError(where, "its spacing is unknown", "Give its spacing: the model works in millimetres.")
