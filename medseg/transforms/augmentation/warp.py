"""Everything that moves voxels: rotation, size, shift, mirroring and elastic displacement in one interpolation."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from medseg.transforms.augmentation.elastic import Elastic
from medseg.transforms.augmentation.gathering import gathered
from medseg.transforms.augmentation.separable import interpolated, picked

__all__ = ["Warp"]


@dataclass(frozen=True, slots=True)
class Warp:
    """Where the voxels of a patch come from.

    The map goes about the middle of the patch. Rotations are of the body: with unequal voxel sizes a turned sphere
    stays a sphere. Across thick slices nothing is interpolated.

    Args:
        patch: Shape of the result.
        step: Voxel sizes along each axis; only their proportions matter.
        degrees: 2D: the angle in the plane; 3D: about each axis, in this order. One of 90 is `np.rot90` in the plane of
            the other axes. Empty for none.
        size: Of what is seen, as a factor.
        shift: Whole voxels, so that a shift by itself needs no interpolation.
        flipped: Axes that are mirrored.
        elastic: Displacements before all others.
        thick: The axis across thick slices, which is neither turned nor stretched.
    """

    patch: tuple[int, ...]
    step: tuple[float, ...]
    degrees: tuple[float, ...] = ()
    size: float = 1.0
    shift: tuple[int, ...] = ()
    flipped: tuple[int, ...] = ()
    elastic: Elastic | None = None
    thick: int | None = None

    @property
    def moving(self) -> tuple[int, ...]:
        """Axes along which is interpolated."""
        if not any(self.degrees) and self.size == 1 and self.elastic is None:
            return ()
        return tuple(axis for axis in range(len(self.patch)) if axis != self.thick)

    @property
    def matrix(self) -> np.ndarray:
        """From an offset to the patch's middle to one from the source's middle, in voxels, shape (dims, dims)."""
        dims = len(self.patch)
        turn = np.eye(dims)
        planes = [(0, 1)] if dims == 2 else [(1, 2), (0, 2), (0, 1)]
        for (first, second), angle in zip(planes, self.degrees, strict=bool(self.degrees)):
            one = np.eye(dims)
            one[first, first] = one[second, second] = math.cos(math.radians(angle))
            one[first, second] = math.sin(math.radians(angle))
            one[second, first] = -one[first, second]
            turn = turn @ one
        step = np.array(self.step)
        scale = [1 / self.size if axis in self.moving else 1.0 for axis in range(dims)]
        mirror = [-1.0 if axis in self.flipped else 1.0 for axis in range(dims)]
        return turn * step / step[:, np.newaxis] * np.array(scale) * np.array(mirror)

    @property
    def reach(self) -> tuple[int, ...]:
        """Shape of the source that the patch needs round its middle, so that its corners hold tissue too."""
        half = (np.array(self.patch) - 1) / 2
        displaced = self.elastic.bound(self.patch) if self.elastic is not None else np.zeros(len(half))
        extent = np.abs(self.matrix) @ (half + displaced)
        shift = self.shift or (0,) * len(half)
        reach = []
        for axis, n in enumerate(self.patch):
            # one voxel more than the corners, because an interpolation takes the next one too
            margin = math.ceil(extent[axis] - half[axis] - 1e-6) + 1 if axis in self.moving else 0
            reach.append(max(n + 2 * margin, 2 + n % 2) + 2 * abs(shift[axis]))
        return tuple(reach)

    def apply(self, image: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The patch, from a source of the size `reach`: image (C, *reach), float32, and targets (L, *reach), uint8.

        Where nothing moves the same tensors come back, not copies.
        """
        for axis, by in enumerate(self.shift):
            n = image.shape[axis + 1] - 2 * abs(by)
            image, targets = (array.narrow(axis + 1, abs(by) + by, n) for array in (image, targets))
        moving = self.moving
        if not moving:
            axes = [axis + 1 for axis in self.flipped]
            return (image.flip(axes), targets.flip(axes)) if axes else (image, targets)
        if self.elastic is None and not any(self.degrees):
            return self._stretched(image, targets)
        if self.thick is not None and self.thick in self.flipped:
            image, targets = (array.flip([self.thick + 1]) for array in (image, targets))
        last = image.ndim - 1
        if self.thick is not None:
            image, targets = (array.movedim(self.thick + 1, last) for array in (image, targets))
        matrix = self.matrix[np.ix_(moving, moving)]
        patch = [self.patch[axis] for axis in moving]
        moved = None
        if self.elastic is not None:
            moved = torch.from_numpy(np.einsum("ij,j...->i...", matrix.astype(np.float32), self.elastic.field(patch)))
        image, targets = gathered(image, targets, matrix, patch, moved)
        if self.thick is not None:
            image, targets = (array.movedim(last, self.thick + 1) for array in (image, targets))
        return image.contiguous(), targets.contiguous()

    def _stretched(self, image: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same by one axis after the other, since none depends on another."""
        seen, indices = image.numpy(), targets.numpy()
        scale = np.diag(self.matrix)
        for axis, n in enumerate(self.patch):
            source = seen.shape[axis + 1]
            at = (np.arange(n) - (n - 1) / 2) * scale[axis] + (source - 1) / 2
            if axis in self.moving:
                seen, indices = interpolated(seen, axis + 1, at), picked(indices, axis + 1, at)
            elif axis in self.flipped:
                seen, indices = np.flip(seen, axis + 1), np.flip(indices, axis + 1)
        return torch.from_numpy(np.ascontiguousarray(seen)), torch.from_numpy(np.ascontiguousarray(indices))

    def __str__(self) -> str:
        said = []
        if any(self.degrees):
            said.append(f"rot {'/'.join(f'{angle:.0f}' for angle in self.degrees if angle)}°")
        if self.size != 1:
            said.append(f"x{self.size:.2f}")
        if any(self.shift):
            said.append(f"shift {'/'.join(f'{by:+d}' for by in self.shift)}")
        if self.elastic is not None:
            said.append("elastic")
        if self.flipped:
            said.append(f"flip {''.join('xyz'[axis] for axis in self.flipped)}")
        return ", ".join(said)
