"""Voxels of one grid brought onto another, through the world positions of both.

ITK sees both grids as unit grids, and one affine map from the target's voxel indices to the source's. So oblique,
flipped, anisotropic and sheared grids are all one case, no direction matrix is asked to be orthonormal, and no
world frame has to be turned.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from medseg.errors import GridMismatchError, InputError, UnknownSpacingError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import Labels

__all__ = ["Order", "covered", "moved", "resample", "resample_labels", "respaced", "spaced"]

Order = Literal["nearest", "linear", "cubic"]

_WHOLE = 1e-8  # entries of the index map this near to a whole number are one: 1000 voxels move by 1e-5 of a voxel
_SAME_SHARE = 1e-6  # shares of classes that differ by less are a tie
_MARGIN = 8  # voxels that continue the edge for a spline, whose memory of farther ones is below 3e-5


def spaced(geometry: Geometry, spacing_mm: Sequence[float]) -> Geometry:
    """The grid over the same extent whose spacing is nearest to the one wanted.

    The outer voxel edges of both grids meet, so the spacing is rounded to what divides the extent (as in nnU-Net,
    Isensee 2021, doi:10.1038/s41592-020-01008-z).

    Args:
        geometry: The grid as it is; its spacing must be known.
        spacing_mm: The spacing wanted along each axis of the array.

    Raises:
        UnknownSpacingError: The grid has no physical spacing.
        InputError: Not one number above 0 for each axis.
    """
    wanted = np.asarray(spacing_mm, dtype=np.float64)
    if wanted.shape != (geometry.ndim,) or not np.isfinite(wanted).all() or (wanted <= 0).any():
        raise InputError(
            "spacing_mm",
            f"{list(spacing_mm)} for {geometry.ndim} axes",
            "Give the spacing along each axis.",
            "one number above 0 for each axis",
        )
    counts = zip(geometry.shape, geometry.spacing_mm, wanted, strict=True)
    return geometry.resized([max(1, round(n * have / want)) for n, have, want in counts])


def resample(
    voxels: np.ndarray, source: Geometry, target: Geometry, *, order: Order = "linear", outside: float = 0.0
) -> np.ndarray:
    """An image on another grid.

    Nothing is smoothed before it is made coarser. In the outer half of the source's edge voxels their values go on.
    Where the centres of the target's voxels are centres of the source's (turned, flipped, cut out), values are copied.

    Args:
        voxels: Shape (C, *source.shape).
        source: Their grid.
        target: The grid wanted.
        order: "linear", "cubic" (B-spline) or "nearest".
        outside: Value of voxels whose centre lies outside the source, its outer voxel edges being its bounds.

    Returns:
        Shape (C, *target.shape): float32, or the type of `voxels` by nearest neighbour.

    Raises:
        GridMismatchError: The voxels are not on `source`, or the grids are 2D and 3D.
        InputError: The order is cubic and there are voxels that are not finite, which would spread.
        UnknownSpacingError: A grid has no physical spacing.
    """
    if voxels.ndim != source.ndim + 1 or voxels.shape[1:] != source.shape:
        raise GridMismatchError("voxels", f"shape {voxels.shape}", "Pass their own grid.", f"(C, {source.describe()})")
    matrix, offset = _index_map(source, target)
    if order == "cubic" and not np.isfinite(voxels).all():
        raise InputError(
            "voxels", "values that are not finite, which a spline spreads", "Replace them, or resample linearly."
        )
    # Laid out with x running fastest, as ITK hands it over and as files store it.
    result = np.empty((len(voxels), *target.shape[::-1]), voxels.dtype if order == "nearest" else np.float32)
    result = result.transpose(0, *range(target.ndim, 0, -1))
    if not np.any(np.r_[matrix.ravel(), offset] % 1):
        order = "nearest"  # of a centre on a centre: its value, to the last bit
    margin = _MARGIN if order == "cubic" else 0
    for channel, out in zip(voxels, result, strict=True):
        padded = np.pad(channel, margin, mode="edge") if margin else channel
        out[...] = _through(padded, matrix, offset + margin, target.shape, order, outside)
    if margin:
        result[:, ~covered(source, target)] = outside
    return result


def resample_labels(mask: np.ndarray, source: Geometry, target: Geometry, labels: Labels) -> np.ndarray:
    """A label map on another grid: each class linearly, and the class of the largest share wins.

    Of equal shares, the class of the lower index wins (background first, ignored voxels last). One class at a time
    is in memory.

    Args:
        mask: File values, shape source.shape; of labels that may overlap, (labels, *source.shape), not 0 where set.
        source: Its grid.
        target: The grid wanted.
        labels: What the values mean.

    Returns:
        File values as they are written, on the target's grid, background outside the source; of labels that may
        overlap, uint8 with 1 where a label has at least half a voxel.

    Raises:
        LabelError: The mask holds a value that is not declared.
        GridMismatchError: The mask is not on `source`, or the grids are 2D and 3D.
        UnknownSpacingError: A grid has no physical spacing.
    """
    if not labels.exclusive:
        shares = (resample((one != 0)[np.newaxis], source, target)[0] for one in mask)
        return np.stack([share >= 0.5 - _SAME_SHARE for share in shares]).astype(np.uint8)
    indices = labels.to_indices(mask)
    largest = np.zeros(target.shape, np.float32)
    winner = np.zeros(target.shape, np.uint8)
    for index in np.unique(indices):
        share = resample((indices == index)[np.newaxis], source, target)[0]
        better = share > largest + _SAME_SHARE
        winner[better] = index
        largest[better] = share[better]
    return labels.from_indices(winner)


def respaced(image: Image, spacing_mm: Sequence[float]) -> Image:
    """An image on the grid of `spaced`, linearly, in its stored type; one number stands for all axes.

    Raises:
        UnknownSpacingError: The image has no physical spacing.
        InputError: Not one number above 0 for each axis.
    """
    wanted = list(spacing_mm) * image.geometry.ndim if len(spacing_mm) == 1 else spacing_mm
    grid = spaced(image.geometry, wanted)
    voxels = resample(image.voxels, image.geometry, grid)
    if image.voxels.dtype.kind in "iu":
        voxels = np.rint(voxels).astype(image.voxels.dtype)
    return replace(image, voxels=voxels, geometry=grid, header=None)


def moved(segmentation: Segmentation, image: Image) -> Segmentation:
    """A segmentation of another grid on that of an image; see `resample_labels`, whose errors it raises."""
    mask = resample_labels(segmentation.mask, segmentation.geometry, image.geometry, segmentation.labels)
    note = f"resampled from {segmentation.geometry.describe()}"
    notes = (*segmentation.notes, note)
    return Segmentation(mask, image.geometry, segmentation.labels, image=image, notes=notes)


def covered(source: Geometry, target: Geometry) -> np.ndarray:
    """Voxels of a grid whose centre lies within the outer voxel edges of another: boolean, shape target.shape.

    Raises:
        GridMismatchError: The grids are 2D and 3D.
        UnknownSpacingError: A grid has no physical spacing.
    """
    matrix, offset = _index_map(source, target)
    inside = np.ones(target.shape, bool)
    planes = np.ix_(*(np.arange(n) for n in target.shape[1:]))
    for first, plane in enumerate(inside):  # a plane at a time, so that no index is held for every voxel
        for row, start, n in zip(matrix, offset, source.shape, strict=True):
            rest = sum(step * axis for step, axis in zip(row[1:], planes, strict=True) if step)
            index = start + row[0] * first + rest
            plane &= (index >= -0.5) & (index <= n - 0.5)
    return inside


def _index_map(source: Geometry, target: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset that turn voxel indices of the target into those of the source."""
    if source.ndim != target.ndim:
        raise GridMismatchError(
            "geometry", f"grids of {source.ndim} and {target.ndim} axes", "Pass two images or two volumes."
        )
    if not (source.spacing_known and target.spacing_known):
        raise UnknownSpacingError(
            "geometry", "a grid of unknown spacing, which has no place beside another", "Give the spacing of the image."
        )
    both = np.linalg.solve(source.affine, target.affine)
    whole = np.rint(both)
    both = np.where(np.abs(both - whole) < _WHOLE, whole, both)
    return both[:-1, :-1], both[:-1, -1]


def _through(
    array: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, ...], order: Order, outside: float
) -> np.ndarray:
    """One channel looked up at `matrix @ index + offset` for each voxel index of the new shape; a view into ITK's type.

    ITK's bounds are the outer voxel edges, and its linear and nearest lookups hold on to the edge voxels there.
    """
    import SimpleITK

    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize(shape)
    resampler.SetTransform(SimpleITK.AffineTransform(matrix.ravel().tolist(), offset.tolist(), [0.0] * len(shape)))
    resampler.SetInterpolator(
        {"nearest": SimpleITK.sitkNearestNeighbor, "linear": SimpleITK.sitkLinear, "cubic": SimpleITK.sitkBSpline}[
            order
        ]
    )
    resampler.SetDefaultPixelValue(float(outside))
    if order != "nearest":
        resampler.SetOutputPixelType(SimpleITK.sitkFloat32)
    # ITK's first axis runs fastest: of an array (x, y, z) it is the transposed one that numpy must show.
    picture = SimpleITK.GetImageFromArray(array.astype(_itk_type(array.dtype), copy=False).T)
    return SimpleITK.GetArrayFromImage(resampler.Execute(picture)).T


def _itk_type(dtype: np.dtype) -> np.dtype:
    """The type that holds every value of another and that ITK knows."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(np.float32) if dtype == np.float16 else dtype.newbyteorder("=")
