"""Lesions of known size in 2D and 3D: star-shaped bodies, from an ellipsoid to an irregular mass."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["Lesion", "draw_lesion"]

_WAVES = 24
_RAYS = {2: 2048, 3: 8192}
_UNIT_BALL = {2: np.pi, 3: 4 * np.pi / 3}


@dataclass(frozen=True, eq=False)
class Lesion:
    """A body that every ray from its centre leaves once.

    Its radius in direction u is that of an ellipsoid times exp(roughness(u)), where the roughness is a sum of
    random cosine waves on the sphere (or circle).

    Args:
        centre: Where it lies, shape (ndim,); mm, or pixels where there is no spacing.
        radii: Semi-axes of the ellipsoid, shape (ndim,), in the same unit.
        axes: Rows are the directions of the semi-axes, orthonormal, shape (ndim, ndim).
        waves: Wave vectors of the roughness, shape (waves, ndim); empty for a plain ellipsoid.
        phases: Their phases in radians, shape (waves,).
        irregularity: Standard deviation of the roughness; 0 is an ellipsoid, 0.2 plainly lobulated.
    """

    centre: npt.NDArray[np.float64]
    radii: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    waves: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]
    irregularity: float

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.centre)

    def radius(self, directions: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Distance from the centre to the surface along unit vectors, shape (n, ndim) to (n,)."""
        inverse = np.linalg.norm((directions @ self.axes.T) / self.radii, axis=-1)
        if not self.irregularity:
            return 1 / inverse
        roughness = np.cos(directions @ self.waves.T + self.phases).sum(axis=-1) * np.sqrt(2 / len(self.waves))
        return np.exp(self.irregularity * roughness) / inverse

    def depth(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """How far inside the surface points lie, along the ray from the centre; negative outside.

        Args:
            points: Shape (..., ndim), in the unit of `centre`.

        Returns:
            Shape (...). Farther out than twice the reach, where none needs it, only the distance to the reach.
        """
        offsets = points - self.centre
        distance = np.linalg.norm(offsets, axis=-1)
        depth = self.reach - distance
        near = distance <= 2 * self.reach
        directions = np.where(distance[near, np.newaxis] > 0, offsets[near], 1.0)  # any direction at the centre
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        depth[near] = self.radius(directions) - distance[near]
        return depth

    @cached_property
    def size(self) -> float:
        """Volume (3D) or area (2D) of the continuous body, by quadrature over rays from its centre."""
        return float(_UNIT_BALL[self.ndim] * np.mean(self.radius(_rays(self.ndim)) ** self.ndim))

    @cached_property
    def reach(self) -> float:
        """Radius of a ball around the centre that holds the body."""
        return float(self.radius(_rays(self.ndim)).max() * 1.02)

    def scaled_to(self, size: float) -> "Lesion":
        """The same shape with another volume or area."""
        radii = self.radii * (size / self.size) ** (1 / self.ndim)
        return Lesion(self.centre, radii, self.axes, self.waves, self.phases, self.irregularity)

    def moved_to(self, centre: npt.ArrayLike) -> "Lesion":
        """The same body at another place."""
        return Lesion(np.asarray(centre, float), self.radii, self.axes, self.waves, self.phases, self.irregularity)


def draw_lesion(rng: np.random.Generator, ndim: int, size: float, irregularity: float) -> Lesion:
    """A random lesion around the origin.

    Args:
        rng: Source of chance.
        ndim: 2 or 3.
        size: Its volume in mm³ (or area in mm² or pixels): met exactly by the continuous body.
        irregularity: Standard deviation of the log radius on top of a random ellipsoid, 0 to about 0.3.
    """
    axes: npt.NDArray[np.float64] = np.linalg.qr(rng.standard_normal((ndim, ndim)))[0]
    directions = rng.standard_normal((_WAVES, ndim))
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    waves = directions * rng.uniform(1.0, 5.0, (_WAVES, 1))
    shape = Lesion(
        np.zeros(ndim), rng.uniform(0.75, 1.25, ndim), axes, waves, rng.uniform(0, 2 * np.pi, _WAVES), irregularity
    )
    return shape.scaled_to(size)


@lru_cache(maxsize=2)
def _rays(ndim: int) -> npt.NDArray[np.float64]:
    """Directions spread evenly over the circle or (a Fibonacci lattice) over the sphere, shape (n, ndim)."""
    index = np.arange(_RAYS[ndim]) + 0.5
    if ndim == 2:
        angle = 2 * np.pi * index / _RAYS[2]
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    height = 1 - 2 * index / _RAYS[3]
    turn = np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
