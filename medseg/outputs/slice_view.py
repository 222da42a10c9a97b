"""One slice of a volume as radiologists look at it: which axes a picture shows, and which way round.

The patient's right lies on the left, anterior and superior up; radiographs are shown as stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg.geometry import Geometry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SliceView", "slice_view"]


@dataclass(frozen=True, eq=False)
class SliceView:
    """One slice: which native axes run to the right and up, and which way they are looked at.

    Args:
        axes: Native axes that the picture shows.
        across: Native axis that it lies across, and
        at: the slice on it; None and 0 in 2D.
        turned: Whether each of the two runs against the picture.
        plane: What the slice is called; empty in 2D.
    """

    axes: tuple[int, int]
    across: int | None
    at: int
    turned: tuple[bool, bool]
    plane: str

    def cut(self, voxels: np.ndarray) -> np.ndarray:
        """The slice of an array on the native grid, shape (first axis, second axis)."""
        if self.across is None:
            return voxels
        plane = voxels[(slice(None),) * self.across + (self.at,)]
        return plane if self.axes[0] < self.axes[1] else plane.T

    def frame(self, axes: "Axes", shown: Sequence[tuple[float, float]], geometry: Geometry) -> None:
        """Limit a plot of `cut(...).T`, drawn with its origin below, to a part, in true proportions, right way round.

        Args:
            axes: The plot.
            shown: First and last index along both axes of the picture.
            geometry: The native grid.
        """
        limits = [pair[::-1] if turned else pair for pair, turned in zip(shown, self.turned, strict=True)]
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])
        axes.set_aspect(geometry.step[self.axes[1]] / geometry.step[self.axes[0]])


def slice_view(geometry: Geometry, at: int = 0) -> SliceView:
    """The slice of the acquisition plane at an index; in 2D the image as stored."""
    if geometry.ndim == 2:
        return SliceView((0, 1), None, 0, (False, True), "")
    across, turn = geometry.acquisition_axis, geometry.to_canonical
    world = [axis for axis in range(3) if turn.permutation[axis] != across]  # right, anterior, superior
    native = (turn.permutation[world[0]], turn.permutation[world[1]])
    # Right and anterior lie on the left, so that the first axis runs against the picture; the second runs up.
    turned = (not turn.flipped[world[0]], turn.flipped[world[1]])
    name = {(0, 1): "axial", (0, 2): "coronal", (1, 2): "sagittal"}[(world[0], world[1])]
    return SliceView(native, across, at, turned, f"{name}, {'ijk'[across]} = {at}")
