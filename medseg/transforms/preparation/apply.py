"""A plan's preparation on a canonical image, and where what is left of it lay: which flips, which box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medseg.geometry import Geometry, Reorientation

__all__ = ["Applied", "apply_steps"]


@dataclass(frozen=True, eq=False)
class Applied:
    """What the steps left.

    Args:
        voxels: Float32, shape (C, *kept).
        turn: From the native axes to those of `voxels`: the turn to canonical axes and the steps' flips in one.
        box: What was kept of the turned grid.
        notes: What a step did not find.
    """

    voxels: torch.Tensor
    turn: Reorientation
    box: tuple[slice, ...]
    notes: tuple[str, ...] = ()


def apply_steps(
    voxels: torch.Tensor, canonical: Geometry, turn: Reorientation, steps: Sequence[Mapping[str, Mapping[str, Any]]]
) -> Applied:
    """Run the steps in their order.

    Args:
        voxels: Canonical, float32, shape (C, x, y[, z]).
        canonical: Their grid.
        turn: How they were turned from the native axes.
        steps: As `checked_steps` gives them.

    Raises:
        ConfigError: A step is unknown.
    """
    if not steps:
        return Applied(voxels, turn, tuple(slice(0, n) for n in canonical.shape))
    # MONAI takes seconds to import, and most plans have no step.
    from monai.data import MetaTensor

    from medseg.transforms.preparation.channels import NOTES
    from medseg.transforms.preparation.steps import build_steps

    # Lengths without directions: where a voxel came from is then read off the affine without rounding.
    lengths = np.array([*canonical.step, *[1.0] * (4 - canonical.ndim)])
    image = MetaTensor(voxels, affine=torch.from_numpy(np.diag(lengths)))
    for step in build_steps(steps):
        image = step(image)
    to_index = np.diag(1 / lengths) @ np.asarray(image.affine, dtype=np.float64)
    signs, origin = to_index.diagonal()[: canonical.ndim], to_index[: canonical.ndim, -1].round().astype(int)
    flips, box = [], []
    for sign, first, have, kept in zip(signs, origin, canonical.shape, image.shape[1:], strict=True):
        start = int(first) if sign > 0 else have - 1 - int(first)
        flips.append(bool(sign < 0))
        box.append(slice(start, start + kept))
    flipped = tuple(a != b for a, b in zip(turn.flipped, flips, strict=True))
    notes = tuple(image.meta.get(NOTES, ()))
    return Applied(image.as_tensor(), Reorientation(turn.permutation, flipped), tuple(box), notes)
