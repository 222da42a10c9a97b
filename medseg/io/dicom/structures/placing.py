"""Where the frames of a DICOM SEG lie: on the image's grid, or on one of their own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import GeometryError, GridMismatchError
from medseg.geometry import Geometry, Reorientation

__all__ = ["TOLERANCE", "Planes", "own_grid", "placed"]

# Files round positions, and the slices of an image may stand off their line a little: up to this share of a voxel
# along each axis counts as the voxel itself. At ten times as much it would be unclear which voxel is meant.
TOLERANCE = 0.05
_NOTED = 0.01  # from this share of a voxel on, the largest displacement is noted
_SAME_MM = 0.01  # frames nearer than this lie in one slice
_UNCOUNTED = 0.25  # a gap this share of a step from a whole number of steps is not one; positions are checked after
_APART = 2**28  # a grid of the frames' own may have this many voxels, or ...
_FILLED = 64  # ... this many times those of its frames


@dataclass(frozen=True)
class Planes:
    """Frames in space.

    Args:
        origins: Centre of each frame's first pixel, world mm (RAS+), shape (frames, 3).
        steps: From one column to the next, and from one row to the next, world mm, shape (frames, 2, 3).
        size: (columns, rows), of every frame.
    """

    origins: np.ndarray
    steps: np.ndarray
    size: tuple[int, int]


def placed(
    planes: Planes, on: Geometry, between_mm: float, where: Path
) -> tuple[Reorientation, np.ndarray, tuple[str, ...]]:
    """Where each frame lies on a grid.

    Args:
        planes: The frames.
        on: The grid.
        between_mm: Distance between slices that the header declares, 0 where it does not.
        where: The file, for errors.

    Returns:
        From the grid to one whose axes are the frames' (column, row, slice); the index of each frame's first
        pixel on that, whole numbers of shape (frames, 3), which may be outside; notes.

    Raises:
        GridMismatchError: A frame does not coincide with voxels of the grid within `TOLERANCE` of a voxel, or the
            slices are thicker than the grid's, so that some of them would stay empty.
    """
    if on.ndim != 3:
        raise GridMismatchError(where, "is drawn in patient space and the image is 2D", "Pass its own image.")
    turn = _turn(planes.steps[0] @ np.linalg.inv(on.affine[:3, :3]).T, on, where)
    turned = on.reoriented(turn)
    span = np.array([[0, 0], [planes.size[0] - 1, 0], [0, planes.size[1] - 1]])  # first pixel and two corners
    corners = planes.origins[:, None] + np.einsum("kc,fcw->fkw", span, planes.steps)
    index = turned.to_index(corners)
    starts = np.rint(index[:, 0])
    off = np.abs(index - starts[:, None] - np.pad(span, ((0, 0), (0, 1)))).max(axis=1)
    if off.max() > TOLERANCE:
        frame, axis = np.unravel_index(int(off.argmax()), off.shape)
        raise GridMismatchError(
            where,
            f"frame {frame + 1} lies {off[frame, axis] * turned.step[axis]:.4g} mm beside the voxels of the image's "
            f"grid ({on.describe()}), by {off[frame, axis]:.3g} of a voxel",
            "Pass the image that it was drawn on, or resample it onto this one.",
            f"at most {TOLERANCE}",
        )
    every = np.diff(np.unique(starts[:, 2])).min(initial=np.inf)
    if 1 < every < np.inf and abs(between_mm / turned.step[2] / every - 1) <= TOLERANCE:
        raise GridMismatchError(
            where,
            f"its slices are {between_mm:.4g} mm apart and the image's {turned.step[2]:.4g} mm",
            "Pass the image that it was drawn on, or resample it onto this one.",
        )
    notes = (f"frames lie up to {off.max():.3f} of a voxel beside the grid",) if off.max() > _NOTED else ()
    return turn, starts.astype(np.int64), notes


def own_grid(planes: Planes, between_mm: float, thickness_mm: float, where: Path) -> tuple[Geometry, tuple[str, ...]]:
    """The regular grid on which frames lie: axes (column, row, slice), gaps included.

    Args:
        planes: The frames.
        between_mm: Distance between slices that the header declares, 0 where it does not.
        thickness_mm: Slice thickness of the header, 0 where it has none; it counts for a single slice only.
        where: The file, for errors.

    Raises:
        GeometryError: The frames do not lie on one regular grid.
    """
    across = np.cross(planes.steps[0, 0], planes.steps[0, 1])
    # LPS to RAS turns two axes and keeps handedness: the normal is DICOM's, row direction × column direction.
    normal = across / np.linalg.norm(across)
    step, notes = _slice_step(planes.origins @ normal, between_mm, thickness_mm, where)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([*planes.steps[0], normal * step])
    affine[:3, 3] = planes.origins[int(np.argmin(planes.origins @ normal))]
    lattice = Geometry((1, 1, 1), affine)
    try:
        _same, starts, _notes = placed(planes, lattice, 0.0, where)
    except GridMismatchError as error:
        raise GeometryError(
            where, "its frames do not lie on one regular grid", f"Read it on its image (`on`). Found: {error}"
        ) from error
    first, last = starts.min(axis=0), starts.max(axis=0)
    shape = last - first + (*planes.size, 1)
    most = max(_APART, _FILLED * len(starts) * planes.size[0] * planes.size[1])
    if np.prod(shape.astype(float)) > most:
        raise GeometryError(
            where, f"its frames lie far apart, on a grid of {'×'.join(str(n) for n in shape)}", "Read it on its image."
        )
    return lattice.cropped(first.tolist(), shape.tolist()), notes


def _turn(steps: np.ndarray, on: Geometry, where: Path) -> Reorientation:
    """From the grid's axes to the frames', by the steps from pixel to pixel in voxels, shape (2, 3)."""
    column, row = (int(axis) for axis in np.abs(steps).argmax(axis=1))
    if column == row or np.abs(np.abs(steps).max(axis=1) - 1).max() > TOLERANCE:
        size = " × ".join(f"{length:.4g}" for length in np.linalg.norm(steps * on.step, axis=1))
        raise GridMismatchError(
            where,
            f"its pixels of {size} mm have another size or direction than the image's voxels ({on.describe()})",
            "Pass the image that it was drawn on, or resample it onto this one.",
        )
    flipped = (bool(steps[0, column] < 0), bool(steps[1, row] < 0), False)
    return Reorientation((column, row, 3 - column - row), flipped)


def _slice_step(
    depths: np.ndarray, between_mm: float, thickness_mm: float, where: Path
) -> tuple[float, tuple[str, ...]]:
    """Distance from one slice to the next, and a note where it was not declared and measured alike."""
    ordered = np.sort(depths)
    gaps = np.diff(ordered)
    gaps = gaps[gaps > max(_SAME_MM, TOLERANCE * between_mm)]
    if gaps.size == 0:
        return _single_step(between_mm, thickness_mm, where)
    for first, note in ((between_mm, ""), (gaps.min(), "the distance between slices is that of their positions")):
        step = _common_step(gaps, float(first))
        if step is not None:
            return step, (note,) if note else ()
    raise GeometryError(
        where,
        f"the distances between its slices ({gaps.min():.4g} to {gaps.max():.4g} mm) are no multiples of one step",
        "Read it on its image (`on`), whose grid says where its slices lie.",
    )


def _common_step(gaps: np.ndarray, first: float) -> float | None:
    """The step near `first` of which all gaps are multiples; each gap, from the smallest on, makes it more exact."""
    step, length, count = first, 0.0, 0.0
    for gap in np.sort(gaps):
        steps = np.rint(gap / step) if step > 0 else 0.0
        if steps < 1 or abs(gap / step - steps) > _UNCOUNTED:
            return None
        length, count = length + gap, count + steps
        step = float(length / count)
    return step


def _single_step(between_mm: float, thickness_mm: float, where: Path) -> tuple[float, tuple[str, ...]]:
    for step, name in ((between_mm, "SpacingBetweenSlices"), (thickness_mm, "SliceThickness")):
        if step > 0:
            return step, (f"one slice: its thickness of {step:g} mm is {name}",)
    raise GeometryError(where, "is one slice of unknown thickness", "Read it on its image (`on`).")
