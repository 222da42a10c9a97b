"""nnU-Net's way from a native image to its network's grid: axes, spacing, crop to what is not 0, normalisation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Reorientation
from medseg.image import Image
from medseg.inference.nnunet.normalising import Moments, Rule, moments_of, require_colours
from medseg.inference.nnunet.planes import NnUNetPlanes, Source, chunks, finite
from medseg.inference.nnunet.resampling import Resampling
from medseg.transforms.prepare import Restoration

__all__ = ["Recipe", "open_planes", "spacing_of"]

_CLOSE = 1e-3  # of the grid's step: by so much a header's own spacing may differ from it


@dataclass(frozen=True)
class Recipe:
    """What the plans say of the preparation.

    Args:
        dims: Axes of a patch; with 2, volumes are seen slice by slice.
        channels: Names of the channels.
        reader: How voxels come to the preprocessing: "stored", "canonical" or "picture".
        transpose: Order of the axes (z, y, x) after reading.
        spacing: Of the network's grid, in the order of the patch.
        rules: Normalisation of each channel.
        resampling: Of images.
    """

    dims: int
    channels: tuple[str, ...]
    reader: str
    transpose: tuple[int, ...]
    spacing: tuple[float, ...]
    rules: tuple[Rule, ...]
    resampling: Resampling

    def turn(self, image: Image) -> Reorientation:
        """From an image's axes (x, y[, z]) to those of nnU-Net: reversed, then transposed."""
        if image.geometry.ndim == 2:  # nnU-Net puts an axis before them, which stays the first
            return Reorientation(tuple(2 - axis for axis in self.transpose if axis > 0), (False, False))
        read = image.geometry.to_canonical if self.reader == "canonical" else Reorientation((0, 1, 2), (False,) * 3)
        order = [2 - axis for axis in self.transpose]
        return Reorientation(
            tuple(read.permutation[axis] for axis in order), tuple(read.flipped[axis] for axis in order)
        )

    def target(self, native: Sequence[float]) -> tuple[float, ...]:
        """Spacing of the network's grid over a native one, both turned; that across slices is left as it is."""
        return (*native[: len(native) - len(self.spacing)], *self.spacing)


def open_planes(image: Image, recipe: Recipe) -> NnUNetPlanes:
    """An image as nnU-Net prepares it, plane by plane.

    Raises:
        InputError: Channels or dimensions are not the model's, or the spacing that it needs is unknown.
    """
    _require_fit(image, recipe)
    turn = recipe.turn(image)
    voxels = turn.apply(image.voxels)
    box = _box(voxels)
    kept = voxels[(slice(None), *box)]
    inside = _body(kept) if any(rule.masked for rule in recipe.rules) else None
    moments = tuple(_moments(channel, rule, inside) for channel, rule in zip(kept, recipe.rules, strict=True))
    require_colours(moments, recipe.rules, image.source or "image")
    native = tuple(spacing_of(image, recipe.reader)[axis] for axis in turn.permutation)
    target = recipe.target(native)
    shape = tuple(max(1, round(have / want * n)) for have, want, n in zip(native, target, kept.shape[1:], strict=True))
    return NnUNetPlanes(
        Source(kept, recipe.rules, moments, inside),
        Restoration(image.geometry, turn, box, shape),
        recipe.resampling.orders(native, target),
        by_torch=recipe.resampling.torch,
    )


def spacing_of(image: Image, reader: str) -> tuple[float, ...]:
    """Voxel size along each axis as nnU-Net's reader would have it: a header's own figure where there is one.

    The step of an affine matrix differs from it in the seventh digit, by which a thick slice could become a thin one.
    """
    if reader == "picture":
        return (1.0,) * image.geometry.ndim
    step = image.geometry.spacing_mm
    zooms: Sequence[float] = image.header.get_zooms() if hasattr(image.header, "get_zooms") else ()
    own = tuple(float(zoom) for zoom in zooms[: len(step)])
    if len(own) == len(step) and all(abs(a - b) <= _CLOSE * b for a, b in zip(own, step, strict=True)):
        return own
    return step


def _require_fit(image: Image, recipe: Recipe) -> None:
    where = image.source or "image"
    if image.channels != len(recipe.channels):
        wanted = f"{len(recipe.channels)} ({', '.join(recipe.channels)})"
        raise InputError(where, f"has {image.channels} channel(s)", "Give one file per channel, in this order.", wanted)
    if image.geometry.ndim < recipe.dims:
        raise InputError(where, "is 2D", "Use a model trained on such images.", "3D as in training")
    if recipe.reader == "picture" and image.geometry.ndim == 3:
        raise InputError(where, "is 3D", "Use a model trained on such images.", "2D pictures as in training")
    if image.geometry.ndim == 2 and recipe.transpose[0] != 0:
        raise InputError(where, "is 2D", "Use a model trained on such images.", "volumes, seen slice by slice")
    if recipe.reader != "picture" and not image.geometry.spacing_known:
        raise InputError(where, "its spacing is unknown", "Give its spacing: the model works in millimetres.")


def _box(voxels: np.ndarray) -> tuple[slice, ...]:
    """The box round all voxels (C, *spatial) that are not 0 in any channel; everything where none is."""
    shape = voxels.shape[1:]
    hit = [np.zeros(n, bool) for n in shape]
    for run in chunks(shape):
        found = _not_zero(voxels[:, run])
        for axis, seen in enumerate(hit):
            along = found.any(tuple(other for other in range(len(shape)) if other != axis))
            seen[run if axis == 0 else slice(None)] |= along
    if not hit[0].any():
        return tuple(slice(0, n) for n in shape)
    ends = [np.flatnonzero(seen) for seen in hit]
    return tuple(slice(int(end[0]), int(end[-1]) + 1) for end in ends)


def _not_zero(voxels: np.ndarray) -> np.ndarray:
    """Which voxels are a number other than 0 in any channel."""
    found = voxels != 0
    if np.issubdtype(voxels.dtype, np.floating):
        found &= np.isfinite(voxels)
    result: np.ndarray = found.any(axis=0)
    return result


def _body(voxels: np.ndarray) -> np.ndarray:
    """What is not 0 in any channel, holes filled; bool, spatial shape."""
    from scipy.ndimage import binary_fill_holes

    found = np.empty(voxels.shape[1:], bool)
    for run in chunks(found.shape):
        found[run] = _not_zero(voxels[:, run])
    filled: np.ndarray = binary_fill_holes(found)
    return filled


def _moments(channel: np.ndarray, rule: Rule, inside: np.ndarray | None) -> Moments:
    if not rule.by_image:
        return Moments(0.0, 1.0, 0.0, 0.0)
    mask = inside if rule.masked else None
    return moments_of(
        finite(channel[run]) if mask is None else finite(channel[run])[mask[run]] for run in chunks(channel.shape)
    )
