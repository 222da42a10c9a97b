"""A registration that is believed only after it passed checks of its own; one that fails is refused with what to do."""

from dataclasses import dataclass

import numpy as np

from medseg.errors import GeometryError
from medseg.followup.registration import Found, Kind, find_transform, world_grid
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.resample import covered

__all__ = ["Registration", "register"]

_POINTS = 20_000  # of a grid on which fields of view are compared
_LEAST_OVERLAP = 0.25  # share of the smaller field of view
_LEAST_INFORMATION = 0.02  # nats; noise reaches 0.01 by chance
_MOST_DEGREES = 45.0
_SCALES = (0.8, 1.25)
_DIGITS = 9  # ITK's sums differ in their last bits from run to run
_INVERSE_MM = 2.0  # or a voxel of the working grid, where that is larger
_MEND = (
    "Look at both images. Where they show the same part of the body, register them with another tool and give the mask "
    "on the baseline's grid; where they are aligned already, give --register none"
)


@dataclass(frozen=True, eq=False)
class Registration:
    """A registration and what speaks for it.

    Args:
        kind: "rigid" or "affine".
        matrix: World mm (RAS+) of the follow-up to that of the baseline, shape (ndim + 1, ndim + 1).
        metric: Mutual information with it, in nats, and
        before: without it.
        overlap: Share of the smaller field of view that lies in the other one.
        degrees: By how much it turns.
        shift_mm: By how much it moves the middle of the baseline's field of view.
        scales: The least and the largest factor by which it stretches; 1 where it is rigid.
        inverse_mm: How far points end from where they began, on the mean, when they are brought there by it and back
            by a registration the other way round.
    """

    kind: Kind
    matrix: np.ndarray
    metric: float
    before: float
    overlap: float
    degrees: float
    shift_mm: float
    scales: tuple[float, float]
    inverse_mm: float

    def describe(self) -> str:
        """In a line."""
        stretched = f", scales {self.scales[0]:.3f} to {self.scales[1]:.3f}" if self.kind == "affine" else ""
        return (
            f"registered ({self.kind}): turned by {self.degrees:.1f}°, shifted by {self.shift_mm:.1f} mm{stretched}, "
            f"mutual information {self.before:.3f} → {self.metric:.3f}, {100 * self.overlap:.0f}% of the smaller field "
            f"of view in common, forth and back within {self.inverse_mm:.2f} mm"
        )


def register(baseline: Image, later: Image, kind: Kind, *, name: str = "", seed: int = 0) -> Registration:
    """Register a follow-up to its baseline, and check what was found.

    Refused is a registration under which the mutual information is next to nothing or below that without it, that
    leaves too little in common, that turns or stretches more than a body does between two examinations, or that
    another registration from the other side does not lead back.

    Args:
        baseline: The image to whose world the other one is brought.
        later: The follow-up's.
        kind: "rigid" or "affine".
        name: What errors call the follow-up.
        seed: Of the sampling.

    Raises:
        GeometryError: It failed its checks, or the images cannot be registered.
    """
    there = find_transform(baseline, later, kind, seed)
    back = find_transform(later, baseline, kind, seed)
    found = _measured(kind, there, back, baseline.geometry, later.geometry)
    coarse = max(_INVERSE_MM, there.spacing_mm)
    reasons = [said for failed, said in _doubts(found, coarse) if failed]
    if reasons:
        where = f"registration of {name}" if name else "registration"
        raise GeometryError(where, f"it failed its check: {', and '.join(reasons)}", f"{_MEND}.")
    return found


def _doubts(found: Registration, coarse_mm: float) -> list[tuple[bool, str]]:
    low, high = found.scales
    return [
        (
            found.metric < _LEAST_INFORMATION,
            f"the images tell nothing of each other (mutual information {found.metric:.3f})",
        ),
        (found.metric < found.before, f"mutual information fell from {found.before:.3f} to {found.metric:.3f}"),
        (found.overlap < _LEAST_OVERLAP, f"only {100 * found.overlap:.0f}% of the smaller field of view is in common"),
        (found.degrees > _MOST_DEGREES, f"it turns by {found.degrees:.0f}°"),
        (low < _SCALES[0] or high > _SCALES[1], f"it stretches by {low:.2f} to {high:.2f}"),
        (
            found.inverse_mm > coarse_mm,
            f"forth and back points end {found.inverse_mm:.1f} mm from where they began (more than {coarse_mm:.1f})",
        ),
    ]


def _measured(kind: Kind, there: Found, back: Found, baseline: Geometry, later: Geometry) -> Registration:
    linear = there.matrix[:-1, :-1]
    u, scales, vt = np.linalg.svd(linear)
    rotation = u @ vt
    grid = world_grid(baseline, _POINTS)
    points = grid.to_world(np.argwhere(covered(baseline, grid)))
    reached = _apply(there.matrix, points)
    # ITK looks a point of the fixed image up in the moving one; lesions go the other way.
    inverse = np.round(np.linalg.inv(there.matrix), _DIGITS)
    seen = covered(later, Geometry(grid.shape, there.matrix @ grid.affine))[covered(baseline, grid)]
    returned = np.linalg.norm(_apply(back.matrix, reached) - points, axis=1)
    smaller = min(np.prod(one.shape) * one.voxel_size for one in (baseline, later))
    middle = grid.to_world(np.subtract(grid.shape, 1) / 2)
    return Registration(
        kind,
        inverse,
        there.metric,
        there.before,
        min(1.0, float(seen.sum() * grid.voxel_size / smaller)),
        _degrees(rotation),
        float(np.linalg.norm(_apply(there.matrix, middle[np.newaxis])[0] - middle)),
        (float(scales.min()), float(scales.max())),
        float(returned[seen].mean()) if seen.any() else float("inf"),
    )


def _degrees(rotation: np.ndarray) -> float:
    """The angle by which a matrix turns; of a reflection, half a turn."""
    if np.linalg.det(rotation) < 0:
        return 180.0
    cosine = (np.trace(rotation) - (len(rotation) - 2)) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    moved: np.ndarray = points @ matrix[:-1, :-1].T + matrix[:-1, -1]
    return moved
