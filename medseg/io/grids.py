"""Whether two grids are the same voxels, perhaps stored in another order, and what differs where they are not."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from medseg.geometry import CORNER_TOLERANCE_MM, Geometry

__all__ = ["SAME_VOXELS", "GridKind", "GridRelation", "exact_turn", "grid_relation", "mismatch", "offset_voxels"]

GridKind = Literal["same", "grid_header", "grid_resample", "grid_size"]

# Programs round directions and origins in their own ways; within a hundredth of a voxel nothing else can be meant.
SAME_VOXELS = 0.01
_LATTICE = 12  # points along each axis at which the overlap of two grids is looked at
_NOTHING_KNOWN = "Find the mask that was drawn on this image, or take the pair out."


@dataclass(frozen=True)
class GridRelation:
    """How the grid of a mask relates to that of its image.

    Args:
        kind: "same": the same voxels, perhaps stored in another order. "grid_header": as many voxels along each
            axis, but placed elsewhere. "grid_resample": another grid over the same space. "grid_size": another
            size, and nothing that says how it lies on the image.
        text: What differs, in one clause with figures; empty where the grids are the same.
        mend: What can be done about it.
    """

    kind: GridKind
    text: str = ""
    mend: str = ""


def exact_turn(
    source: Geometry, target: Geometry, tolerance_mm: float = CORNER_TOLERANCE_MM
) -> Callable[[np.ndarray], np.ndarray] | None:
    """What brings arrays on `source` onto `target` by reordering axes alone, or `None` where that cannot be.

    Without patient space or spacing (2D, unknown) grids are one when their shapes are equal.
    """
    flat = source.ndim == 2 or target.ndim == 2
    if flat or not (source.spacing_known and target.spacing_known):
        return _as_stored if source.shape == target.shape else None
    if source.same_as(target, tolerance_mm):
        return _as_stored
    there, back = source.to_canonical, target.to_canonical
    if source.reoriented(there).same_as(target.reoriented(back), tolerance_mm):
        return lambda array: back.undo(there.apply(array))
    return None


def mismatch(found: Geometry, wanted: Geometry) -> str:
    """In one clause, how a grid differs from the one it should lie on."""
    both = f"({found.describe()}) and not on the image's ({wanted.describe()})"
    if found.ndim != wanted.ndim:
        return f"has {found.ndim} axes: it lies on the grid {both}"
    there, here = (grid.reoriented(grid.to_canonical) for grid in (found, wanted))
    if there.shape != here.shape:
        return f"is of another size: it lies on the grid {both}"
    if not np.allclose(there.affine[:-1, :-1], here.affine[:-1, :-1], atol=1e-4):
        return f"has another spacing or direction (up to {there.displacement_mm(here):.4g} mm away): grid {both}"
    return f"is shifted by {there.displacement_mm(here):.4g} mm: it lies on the grid {both}"


def offset_voxels(found: Geometry, wanted: Geometry) -> float:
    """How far the corners of a grid lie from those of another with as many voxels, in voxels of the latter.

    Both are compared in canonical order of axes; 0 where one has no place in space.
    """
    if found.ndim != 3 or wanted.ndim != 3 or not (found.spacing_known and wanted.spacing_known):
        return 0.0
    there, here = (grid.reoriented(grid.to_canonical) for grid in (found, wanted))
    return there.displacement_mm(here) / min(here.step) if there.shape == here.shape else np.inf


def grid_relation(found: Geometry, wanted: Geometry) -> GridRelation:
    """How a mask's grid relates to its image's: the same, mendable, or not."""
    if exact_turn(found, wanted, max(CORNER_TOLERANCE_MM, SAME_VOXELS * min(wanted.step))) is not None:
        return GridRelation("same")
    if found.shape == wanted.shape:
        return GridRelation(
            "grid_header",
            f"the mask has the image's size, but its header says otherwise: {_differences(found, wanted)}",
            "If it was drawn on this image, give it the image's header: `--fix copy-header`. If it was drawn on an "
            "image that moved since, resample it: `--fix resample`.",
        )
    if found.ndim != 3 or wanted.ndim != 3 or not (found.spacing_known and wanted.spacing_known):
        return GridRelation("grid_size", _sizes(found, wanted), _NOTHING_KNOWN)
    share = _overlap(found, wanted)
    if share == 0:
        text = f"the mask lies nowhere on the image ({found.describe()} beside {wanted.describe()})"
        return GridRelation("grid_size", text, _NOTHING_KNOWN)
    text = f"the mask lies on another grid, which covers {share:.0%} of the image"
    return GridRelation(
        "grid_resample",
        f"{text} ({found.describe()} where the image is {wanted.describe()})",
        "Resample it onto the image: `--fix resample`.",
    )


def _differences(found: Geometry, wanted: Geometry) -> str:
    """Which of origin, spacing and direction differ between two headers, and by how much."""
    parts = []
    origin = float(np.linalg.norm(found.affine[:-1, -1] - wanted.affine[:-1, -1]))
    if origin > CORNER_TOLERANCE_MM:
        parts.append(f"its origin is {origin:.4g} mm away ({origin / min(wanted.step):.3g} voxels)")
    if not np.allclose(found.step, wanted.step, rtol=1e-4, atol=0):
        steps = ("×".join(f"{step:.4g}" for step in grid.step) for grid in (found, wanted))
        parts.append("its spacing is {} mm where the image has {}".format(*steps))
    there, here = (grid.affine[:-1, :-1] / np.asarray(grid.step) for grid in (found, wanted))
    angle = float(np.degrees(np.arccos(np.clip((there * here).sum(axis=0), -1, 1))).max())
    if angle > 0.01:
        parts.append(f"its axes point up to {angle:.3g}° elsewhere ({found.orientation}, not {wanted.orientation})")
    return "; ".join(parts) + f"; the farthest corner is {found.displacement_mm(wanted):.4g} mm off"


def _sizes(found: Geometry, wanted: Geometry) -> str:
    """In words, the size of a mask beside its image, and the factor between them where it is a whole one."""
    have, want = ("×".join(str(n) for n in grid.shape) for grid in (found, wanted))
    text = f"the mask is of {have} pixels, the image of {want}"
    if found.ndim != wanted.ndim:
        return text
    for one, other, word in ((found, wanted, "larger"), (wanted, found, "smaller")):
        factors = {n / m for n, m in zip(one.shape, other.shape, strict=True)}
        if len(factors) == 1 and float(next(iter(factors))).is_integer():
            return f"{text}: exactly {int(next(iter(factors)))} times {word}"
    return text


def _overlap(found: Geometry, wanted: Geometry) -> float:
    """Share of an image that lies within the outer voxel edges of another grid, at the points of a lattice."""
    axes = (np.linspace(-0.5, n - 0.5, _LATTICE) for n in wanted.shape)
    index = found.to_index(wanted.to_world(np.array(list(product(*axes)))))
    return float(((index >= -0.51) & (index <= np.asarray(found.shape) - 0.49)).all(axis=1).mean())


def _as_stored(array: np.ndarray) -> np.ndarray:
    return array
