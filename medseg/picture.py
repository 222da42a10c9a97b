"""Pictures of an image and its mask as RGB arrays, with numpy alone; previews and notebooks draw with it.

Volumes are shown in the radiological convention: the patient's right on the left of the picture, anterior and
superior up. Radiographs are shown as stored.
"""

import base64
import functools
import html
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["Panel", "display_range", "html_figure", "montage", "overlaid", "panels", "png_bytes"]

_FILL = 0.25  # opacity of a label; its outline is drawn opaque
_GAP = 4
_WIDEST = 2  # times its height, a panel
_BLOCK = 1 << 22  # voxels that are looked at at once
# name of the plane, the two canonical axes it shows, and what lies at its left and upper edge
_PLANES = (
    ("axial", (0, 1), ("R", "A")),
    ("coronal", (0, 2), ("R", "S")),
    ("sagittal", (1, 2), ("A", "S")),
)


@dataclass(frozen=True, eq=False)
class Panel:
    """One plane of an image, drawn.

    Args:
        rgb: uint8, shape (rows, columns, 3).
        name: "axial", "coronal" or "sagittal"; empty for a radiograph.
        axis: The array axis (of the native grid) that the plane lies across, and
        index: where on it; both None for a radiograph.
        sides: What lies at the left and at the upper edge, such as ("R", "A"); empty for a radiograph.
    """

    rgb: np.ndarray
    name: str = ""
    axis: int | None = None
    index: int | None = None
    sides: tuple[str, str] = ("", "")


def display_range(voxels: np.ndarray) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of (a thinned copy of) the finite voxels."""
    thinned = voxels.reshape(-1, order="A")[:: max(1, voxels.size // 50_000)]
    finite = thinned[np.isfinite(thinned)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, [0.5, 99.5])
    return float(low), float(high if high > low else low + 1)


def montage(
    voxels: np.ndarray,
    geometry: Geometry,
    indices: np.ndarray | None = None,
    labels: Labels | None = None,
    height: int = 384,
) -> np.ndarray:
    """The panels of `panels` side by side: RGB, uint8, shape (height, columns, 3)."""
    gap = np.zeros((height, _GAP, 3), np.uint8)
    parts = [part for panel in panels(voxels, geometry, indices, labels, height) for part in (panel.rgb, gap)]
    return np.concatenate(parts[:-1], axis=1)


def panels(
    voxels: np.ndarray,
    geometry: Geometry,
    indices: np.ndarray | None = None,
    labels: Labels | None = None,
    height: int = 384,
    window: tuple[float, float] | None = None,
) -> list[Panel]:
    """A radiograph, or the axial, coronal and sagittal plane through most of what is labelled.

    Args:
        voxels: One channel, shape (x, y[, z]).
        geometry: Its grid; planes are stretched to its physical proportions.
        indices: Class indices of the same shape, drawn over it: filled faintly, outlined fully.
        labels: Gives the colours; needed with `indices`.
        height: Rows of each panel.
        window: Values shown black and white; `display_range` by default.
    """
    turn = geometry.to_canonical
    canonical = geometry.reoriented(turn)
    grey = turn.apply(voxels)
    mask = np.zeros(grey.shape, np.uint8) if indices is None else turn.apply(indices)
    window = window or display_range(voxels)
    if geometry.ndim == 2:
        return [Panel(_drawn(grey, mask, canonical.step, labels, height, window))]
    drawn = []
    for name, axes, sides in _PLANES:
        across = 3 - sum(axes)
        at = _fullest(mask, across)
        plane = (slice(None),) * across + (at,)  # a view: np.take would copy all of a volume that x varies first in
        seen, labelled = (array[plane][::-1, ::-1] for array in (grey, mask))
        rgb = _drawn(seen, labelled, tuple(canonical.step[axis] for axis in axes), labels, height, window)
        native = canonical.shape[across] - 1 - at if turn.flipped[across] else at
        drawn.append(Panel(rgb, name, turn.permutation[across], native, sides))
    return drawn


def png_bytes(rgb: np.ndarray) -> bytes:
    """An RGB array, uint8, shape (rows, columns, 3), as a PNG file."""
    rows, columns = rgb.shape[:2]
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), rgb.reshape(rows, -1)], axis=1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def html_figure(
    voxels: np.ndarray,
    geometry: Geometry,
    caption: str,
    indices: np.ndarray | None = None,
    labels: Labels | None = None,
) -> str:
    """The montage as an HTML figure with its picture inside."""
    picture = base64.b64encode(png_bytes(montage(voxels, geometry, indices, labels, height=256))).decode()
    text = html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{picture}"><figcaption>{text}</figcaption></figure>'


def _fullest(mask: np.ndarray, axis: int) -> int:
    """The plane across an axis that holds most labelled voxels; the middle one where there are none."""
    others = tuple(i for i in range(3) if i != axis)
    slowest = int(np.argmax([abs(step) for step in mask.strides]))
    count = np.zeros(mask.shape[axis], np.int64)
    step = max(1, _BLOCK * mask.shape[slowest] // max(1, mask.size))
    for start in range(0, mask.shape[slowest], step):
        part = slice(start, start + step)
        block = mask[(*(slice(None),) * slowest, part)]
        count[part if axis == slowest else ...] += ((block > 0) & (block != IGNORE_INDEX)).sum(axis=others)
    return int(count.argmax()) if count.any() else mask.shape[axis] // 2


def _drawn(
    grey: np.ndarray,
    mask: np.ndarray,
    step: tuple[float, ...],
    labels: Labels | None,
    height: int,
    window: tuple[float, float],
) -> np.ndarray:
    """One plane, array (x, y), as a picture (rows, columns, 3) of that height and of physical proportions.

    A plane of a few thick slices is far wider than high: it is drawn to the greatest width and lies on black.
    """
    proportion = (grey.shape[0] * step[0]) / (grey.shape[1] * step[1])
    rows, width = height, max(1, round(height * proportion))
    if width > _WIDEST * height:
        width = round(_WIDEST * height)
        rows = max(1, round(width / proportion))
    low, high = window
    scaled = grey.T.astype(np.float32)
    if grey.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False, nan=low)
    scaled -= low
    scaled /= high - low
    np.clip(scaled, 0, 1, out=scaled)
    shown = np.where(mask.T == IGNORE_INDEX, 0, mask.T)
    for axis, wanted in enumerate((rows, width)):
        factor = max(1, scaled.shape[axis] // wanted)
        scaled = _smooth(_pooled(scaled, factor, axis, np.add) / np.float32(factor), wanted, axis)
        # the largest index of a block, so that a lesion of a few pixels is not lost in a small picture
        blocks = _pooled(shown, factor, axis, np.maximum)
        shown = np.take(blocks, np.arange(wanted) * blocks.shape[axis] // wanted, axis=axis)
    picture = np.zeros((height, width, 3), np.uint8)
    top = (height - rows) // 2
    picture[top : top + rows] = overlaid(scaled, shown, labels)
    return picture


def _pooled(plane: np.ndarray, factor: int, axis: int, pool: np.ufunc) -> np.ndarray:
    """Every `factor` entries of an axis become one; the last ones are filled up by repeating the edge.

    Entry by entry, since numpy is slow in reducing short axes.
    """
    missing = -plane.shape[axis] % factor
    if missing:
        plane = np.pad(plane, [(0, missing if i == axis else 0) for i in range(2)], mode="edge")
    parts = [plane[start::factor] if axis == 0 else plane[:, start::factor] for start in range(factor)]
    return functools.reduce(pool, parts)


def _smooth(plane: np.ndarray, wanted: int, axis: int) -> np.ndarray:
    """Linear interpolation along one axis to `wanted` entries over the same extent."""
    n = plane.shape[axis]
    position = np.clip((np.arange(wanted) + 0.5) * n / wanted - 0.5, 0, n - 1)
    below = np.minimum(position.astype(int), max(n - 2, 0))
    above = np.minimum(below + 1, n - 1)
    share = (position - below).reshape([-1 if i == axis else 1 for i in range(2)])
    return (1 - share) * np.take(plane, below, axis=axis) + share * np.take(plane, above, axis=axis)


def overlaid(scaled: np.ndarray, shown: np.ndarray, labels: Labels | None) -> np.ndarray:
    """Grey values (0 to 1) in colour, with each label filled faintly and outlined.

    Args:
        scaled: Shape (rows, columns).
        shown: Class indices of the same shape.
        labels: Give the colours.

    Returns:
        RGB, uint8, shape (rows, columns, 3).
    """
    rgb = np.repeat(scaled[..., np.newaxis] * 255, 3, axis=2)
    for index, label in enumerate(labels.labels if labels else (), start=1):
        inside = shown == index
        colour = np.array(label.colour)
        rgb[inside] = (1 - _FILL) * rgb[inside] + _FILL * colour
        rgb[inside & ~_eroded(inside)] = colour
    return rgb.astype(np.uint8)


def _eroded(inside: np.ndarray) -> np.ndarray:
    padded = np.pad(inside, 1)
    return inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
