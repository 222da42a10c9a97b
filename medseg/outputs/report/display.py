"""An image as a page shows it: eight bits of a stated range of values, shrunk to a stated size, its mask with it.

Volumes are turned to the axes right, anterior, superior by flips and permutations alone, so that voxels keep their
places in the world, oblique grids among them. Radiographs stay as stored.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.picture import display_range

__all__ = ["Grid", "Range", "fitted", "grey", "shown_mask", "value_range"]

_HU = (-1024.0, 1016.0)  # in eight bits, steps of 8 HU
_SOFT_TISSUE = (-160.0, 240.0)


@dataclass(frozen=True)
class Range:
    """Which values a page holds, and which of them it shows black and white at first.

    Args:
        low: Of the values that are told apart, the least; lower ones look alike, and
        high: the greatest.
        black: Shown black at first, and
        white: white.
        unit: Of the values; empty where unknown.
    """

    low: float
    high: float
    black: float
    white: float
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Grid:
    """From the voxels of an image to those that are shown.

    Args:
        native: The image's grid.
        geometry: What is shown: turned to right, anterior, superior, perhaps shrunk.
    """

    native: Geometry
    geometry: Geometry

    @property
    def shrunk(self) -> bool:
        """Whether detail is lost."""
        return self.geometry.shape != self._turned.shape

    @property
    def _turned(self) -> Geometry:
        return self.native.reoriented(self.native.to_canonical)

    def shown_at(self, index: npt.ArrayLike) -> list[float]:
        """Where a place on the image's grid, in voxels, lies among the voxels that are shown."""
        return [round(float(n), 3) for n in self.geometry.to_index(self.native.to_world(index))]


def fitted(native: Geometry, most: int) -> Grid:
    """The grid that is shown of an image: no more than `most` voxels over the same extent.

    The finest axes are made coarser first, so that thick slices are kept.
    """
    turned = native.reoriented(native.to_canonical)
    low = min(turned.step)
    high = max(n * step for n, step in zip(turned.shape, turned.step, strict=True))
    if np.prod(turned.shape) <= most:
        return Grid(native, turned)
    for _ in range(60):  # bisection of the finest step that keeps to the limit
        step = (low * high) ** 0.5
        low, high = (step, high) if np.prod(_coarser(turned, step)) > most else (low, step)
    return Grid(native, turned.resized(_coarser(turned, high)))


def _coarser(grid: Geometry, step: float) -> tuple[int, ...]:
    """A shape whose steps are at most that long, but never finer than they are."""
    counts = zip(grid.shape, grid.step, strict=True)
    return tuple(max(1, min(n, math.ceil(n * own / step - 1e-6))) for n, own in counts)


def value_range(image: Image, channel: int, modality: str = "") -> Range:
    """What is told apart of a channel: of CT a fixed range; of others all but the outermost of their values."""
    kind = image.facts.get(f"modality_{channel}", image.modality or modality)
    unit = image.facts.get(f"unit_{channel}", image.unit if channel == 0 else "")
    voxels = image.voxels[channel]
    if unit == "HU" or (kind == "CT" and not unit):
        return Range(*_HU, *_SOFT_TISSUE, "HU")
    if kind == "PT":
        thinned = voxels.reshape(-1, order="A")[:: max(1, voxels.size // (1 << 20))]
        top = float(np.nanmax(thinned, initial=0.0)) or 1.0
        _low, white = display_range(voxels)
        return Range(0.0, top, 0.0, min(max(white, top / 5), top), unit)
    low, high = display_range(voxels)
    return Range(low, high, low, high, unit)


def grey(voxels: np.ndarray, grid: Grid, values: Range) -> np.ndarray:
    """Voxels of the image's grid as eight bits on the grid that is shown: means over what each voxel covers."""
    turned = grid.native.to_canonical.apply(voxels)
    weights = [None if n == m else _weights(n, m) for n, m in zip(turned.shape, grid.geometry.shape, strict=True)]
    if turned.ndim == 2:
        return np.rint(_plane(turned, weights, values)).astype(np.uint8)
    if weights[2] is None:
        out = np.empty(grid.geometry.shape, np.uint8)
        for at in range(turned.shape[2]):
            out[..., at] = np.rint(_plane(turned[..., at], weights, values))
        return out
    sums = np.zeros(grid.geometry.shape, np.float32)
    for at in range(turned.shape[2]):
        plane = _plane(turned[..., at], weights, values)
        for new in np.flatnonzero(weights[2][:, at]):
            sums[..., new] += weights[2][new, at] * plane
    return np.rint(sums).astype(np.uint8)


def shown_mask(
    indices: np.ndarray, grid: Grid, regions: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> np.ndarray:
    """Class indices on the grid that is shown: those at its voxels' centres.

    A region that lies between them keeps one voxel, at its centre.

    Args:
        indices: On the image's grid.
        grid: What is shown.
        regions: Rows of the region table.
        names: Of the labels, in the order of their indices.
    """
    turned = grid.native.to_canonical.apply(indices)
    if not grid.shrunk:
        return np.ascontiguousarray(turned)
    places = [_centres(n, m) for n, m in zip(turned.shape, grid.geometry.shape, strict=True)]
    shown: np.ndarray = turned[np.ix_(*places)]
    for region in regions:
        if region["label"] not in names or "centroid_i" not in region:
            continue
        index, axes = names.index(region["label"]) + 1, "ijk"[: grid.native.ndim]
        first = np.array([region[f"box_start_{axis}"] for axis in axes])
        last = first + [region[f"box_size_{axis}"] - 1 for axis in axes]
        ends = np.sort([grid.shown_at(first), grid.shown_at(last)], axis=0)
        box = tuple(slice(max(0, int(low)), int(high) + 2) for low, high in ends.T)
        if not (shown[box] == index).any():
            centre = np.rint(grid.shown_at([region[f"centroid_{axis}"] for axis in axes])).astype(int)
            shown[tuple(np.clip(centre, 0, np.array(shown.shape) - 1))] = index
    return shown


def _plane(plane: np.ndarray, weights: Sequence[np.ndarray | None], values: Range) -> np.ndarray:
    """One plane, 0 to 255, its axes shrunk."""
    scaled = plane.astype(np.float32)
    if plane.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False, nan=values.low)
    scaled = np.clip((scaled - values.low) * (255 / (values.high - values.low)), 0, 255)
    if weights[0] is not None:
        scaled = weights[0] @ scaled
    return scaled if weights[1] is None else scaled @ weights[1].T


def _weights(n: int, m: int) -> np.ndarray:
    """Share of each of n old voxels in each of m new ones over the same extent, shape (m, n); rows sum to one."""
    edges = np.arange(m + 1) * (n / m)
    old = np.arange(n)
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return (np.clip(overlap, 0, None) * (m / n)).astype(np.float32)


def _centres(n: int, m: int) -> np.ndarray:
    """The old voxel in which the centre of each new one lies."""
    return np.minimum((np.arange(m) + 0.5) * n / m, n - 1).astype(np.intp)
