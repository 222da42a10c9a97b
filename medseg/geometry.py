"""The grid on which voxels lie: shape, affine and what follows from them. Knows no pixel.

World is RAS+ in millimetres; spatial axis i of an array is column i of the affine.
A 2D grid has a 3x3 image-plane affine and no patient space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt

from medseg.errors import GeometryError, UnknownSpacingError

__all__ = ["CORNER_TOLERANCE_MM", "Geometry", "Reorientation"]

UNKNOWN = "unknown"
CORNER_TOLERANCE_MM = 1e-4
_CODES = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True)
class Reorientation:
    """Axes permuted, then flipped: output axis i is input axis `permutation[i]`, reversed if `flipped[i]`."""

    permutation: tuple[int, ...]
    flipped: tuple[bool, ...]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Turn an array whose last axes are spatial; a view, no copy."""
        lead = array.ndim - len(self.permutation)
        turned = array.transpose(*range(lead), *(lead + axis for axis in self.permutation))
        return np.flip(turned, tuple(lead + i for i, flip in enumerate(self.flipped) if flip))

    def undo(self, array: np.ndarray) -> np.ndarray:
        """The inverse of `apply`; a view, no copy."""
        lead = array.ndim - len(self.permutation)
        flipped = np.flip(array, tuple(lead + i for i, flip in enumerate(self.flipped) if flip))
        back = [self.permutation.index(axis) for axis in range(len(self.permutation))]
        return flipped.transpose(*range(lead), *(lead + axis for axis in back))

    @property
    def identity(self) -> bool:
        """Whether nothing moves."""
        return not any(self.flipped) and self.permutation == tuple(range(len(self.permutation)))


@dataclass(frozen=True, eq=False)
class Geometry:
    """A regular grid in 2D or 3D.

    Args:
        shape: Voxels along each spatial axis, (x, y) or (x, y, z).
        affine: Voxel index to world mm (RAS+), shape (ndim + 1, ndim + 1). Where the spacing is unknown,
            a grid of unit steps.
        spacing_source: Whence the spacing comes ("affine", "PixelSpacing", "TIFF", ...), or "unknown".

    Raises:
        GeometryError: The shape is empty, the affine is of another size, not finite or singular.
    """

    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]
    spacing_source: str = "affine"

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if self.ndim not in (2, 3) or min(self.shape) < 1:
            raise GeometryError(
                "geometry",
                f"shape {self.shape}",
                "Give an image with two or three spatial axes.",
                "(x, y[, z]), each ≥ 1",
            )
        if affine.shape != (self.ndim + 1, self.ndim + 1):
            raise GeometryError(
                "geometry", f"an affine of shape {affine.shape} for {self.ndim} axes", "Pass the matrix of this grid."
            )
        if not np.isfinite(affine).all() or abs(np.linalg.det(self._axes)) < 1e-12:
            raise GeometryError(
                "geometry",
                f"a singular or non-finite affine {affine.tolist()}",
                "Mend the header: every axis needs a direction and a spacing above 0.",
            )

    @classmethod
    def from_spacing(
        cls, shape: Sequence[int], spacing_mm: Sequence[float] | None, source: str = "affine"
    ) -> "Geometry":
        """An axis-aligned grid with its first voxel at the origin; `None` for a spacing that is unknown."""
        steps = [1.0] * len(shape) if spacing_mm is None else list(spacing_mm)
        return cls(tuple(shape), np.diag([*steps, 1.0]), UNKNOWN if spacing_mm is None else source)

    @property
    def ndim(self) -> int:
        """Number of spatial axes: 2 or 3."""
        return len(self.shape)

    @property
    def _axes(self) -> npt.NDArray[np.float64]:
        return self.affine[:-1, :-1]

    @property
    def spacing_known(self) -> bool:
        """Whether a voxel has a size in millimetres."""
        return self.spacing_source != UNKNOWN

    @cached_property
    def step(self) -> tuple[float, ...]:
        """Length of each axis step: mm where the spacing is known, pixels otherwise."""
        return tuple(float(n) for n in np.linalg.norm(self._axes, axis=0))

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel size along each axis.

        Raises:
            UnknownSpacingError: The image has no physical spacing.
        """
        if not self.spacing_known:
            raise UnknownSpacingError(
                "geometry",
                "the spacing of this image is unknown",
                "Measure in pixels, or give the spacing in a manifest column.",
            )
        return self.step

    @cached_property
    def voxel_size(self) -> float:
        """Volume (mm³) or area (mm²) of a voxel; 1 where the spacing is unknown."""
        return float(abs(np.linalg.det(self._axes))) if self.spacing_known else 1.0

    @cached_property
    def oblique(self) -> bool:
        """Whether an axis is more than 0.001 of its length away from every world axis."""
        directions = np.abs(self._axes / np.asarray(self.step))
        return bool((np.sort(directions, axis=0)[:-1] > 1e-3).any())

    @cached_property
    def orthogonal(self) -> bool:
        """Whether the axes stand at right angles (no shear)."""
        directions = self._axes / np.asarray(self.step)
        return bool(np.abs(directions.T @ directions - np.eye(self.ndim)).max() < 1e-3)

    @cached_property
    def acquisition_axis(self) -> int:
        """The axis across the slices of the acquisition plane: pixels are square, so the two others are most alike.

        The step across them may be the larger (most CT and MR) or the smaller (PET, thin slices). Where all axes are
        alike it is the one nearest to inferior-superior, so that the slices are axial.
        """
        steps = np.round(np.log(self.step), 3)
        if np.ptp(steps) == 0:
            return self.to_canonical.permutation[2]
        unlike = np.abs(np.roll(steps, -1) - np.roll(steps, 1)).round(3)  # of the two axes within the slices
        return min(range(3), key=lambda axis: (unlike[axis], -steps[axis]))

    @cached_property
    def to_canonical(self) -> Reorientation:
        """What brings the axes nearest to R, A, S; the identity in 2D, which has no patient space.

        The nearest world axis of each array axis is taken from the rotation part of the affine (its polar
        factor), strongest first, as nibabel's `io_orientation` does.
        """
        if self.ndim == 2:
            return Reorientation((0, 1), (False, False))
        u, _s, vt = np.linalg.svd(self._axes / np.asarray(self.step))
        rotation = u @ vt
        nearest: dict[int, int] = {}
        left = np.abs(rotation).copy()
        for axis in np.argsort(np.min(-np.abs(rotation), axis=0), kind="stable"):
            world = int(np.argmax(left[:, axis]))
            nearest[world] = int(axis)
            left[world, :] = -1
        return Reorientation(
            tuple(nearest[world] for world in range(3)),
            tuple(bool(rotation[world, nearest[world]] < 0) for world in range(3)),
        )

    @cached_property
    def orientation(self) -> str:
        """Where each array axis points, such as "RAS" or "LPI"; empty in 2D."""
        if self.ndim == 2:
            return ""
        turn = self.to_canonical
        codes = [""] * 3
        for world, axis in enumerate(turn.permutation):
            codes[axis] = _CODES[world][0 if turn.flipped[world] else 1]
        return "".join(codes)

    def to_world(self, index: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Voxel indices, shape (..., ndim), to world mm (RAS+)."""
        return np.asarray(index, dtype=np.float64) @ self._axes.T + self.affine[:-1, -1]

    def to_index(self, world: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """World mm (RAS+), shape (..., ndim), to voxel indices (fractions kept)."""
        return (np.asarray(world, dtype=np.float64) - self.affine[:-1, -1]) @ np.linalg.inv(self._axes).T

    @cached_property
    def corners(self) -> npt.NDArray[np.float64]:
        """World positions of the outermost voxel centres, shape (2**ndim, ndim)."""
        return self.to_world(list(product(*((0, n - 1) for n in self.shape))))

    def displacement_mm(self, other: "Geometry") -> float:
        """Largest distance between the same corners of two grids of one shape."""
        return float(np.linalg.norm(self.corners - other.corners, axis=1).max())

    def same_as(self, other: "Geometry", tolerance_mm: float = CORNER_TOLERANCE_MM) -> bool:
        """Whether two grids are one: equal shape and no corner displaced by more than the tolerance."""
        return self.shape == other.shape and self.displacement_mm(other) <= tolerance_mm

    def reoriented(self, turn: Reorientation) -> "Geometry":
        """The grid of `turn.apply(array)`: the same voxels at the same places."""
        axes = self._axes[:, turn.permutation].copy()
        origin = self.affine[:-1, -1].copy()
        shape = tuple(self.shape[axis] for axis in turn.permutation)
        for i, flip in enumerate(turn.flipped):
            if flip:
                origin += axes[:, i] * (shape[i] - 1)
                axes[:, i] = -axes[:, i]
        return self._with(shape, axes, origin)

    def cropped(self, start: Sequence[int], shape: Sequence[int]) -> "Geometry":
        """The grid of a box of voxels that begins at index `start`."""
        return self._with(tuple(shape), self._axes, self.to_world(start))

    def resized(self, shape: Sequence[int]) -> "Geometry":
        """A grid of another shape over the same extent: the outer voxel edges of both meet (as in nnU-Net)."""
        scale = np.asarray(self.shape) / np.asarray(shape)
        return self._with(tuple(shape), self._axes * scale, self.to_world(scale / 2 - 0.5))

    def _with(self, shape: tuple[int, ...], axes: np.ndarray, origin: np.ndarray) -> "Geometry":
        affine = np.eye(self.ndim + 1)
        affine[:-1, :-1], affine[:-1, -1] = axes, origin
        return Geometry(shape, affine, self.spacing_source)

    def describe(self) -> str:
        """Shape, spacing and orientation in a few words."""
        size = "×".join(str(n) for n in self.shape)
        if not self.spacing_known:
            return f"{size}, spacing unknown"
        spacing = "×".join(f"{step:.4g}" for step in self.step)
        return f"{size}, {spacing} mm" + (f", {self.orientation}" if self.orientation else "")
