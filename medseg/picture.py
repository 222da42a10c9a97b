"""Pictures of an image and its mask as RGB arrays, with numpy alone; previews and notebooks draw with it.

Volumes are shown in the radiological convention: the patient's right on the left of the picture, anterior and
superior up. Radiographs are shown as stored.
"""

import base64
import html
import struct
import zlib

import numpy as np

from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["display_range", "html_figure", "montage", "png_bytes"]

_FILL = 0.35  # opacity of a label; its outline is drawn opaque
_GAP = 4


def display_range(voxels: np.ndarray) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of (a thinned copy of) the finite voxels."""
    thinned = voxels.reshape(-1)[:: max(1, voxels.size // 200_000)]
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
    """One picture: a radiograph, or the axial, coronal and sagittal plane through most of what is labelled.

    Args:
        voxels: One channel, shape (x, y[, z]).
        geometry: Its grid; planes are stretched to its physical proportions.
        indices: Class indices of the same shape, drawn over it.
        labels: Gives the colours; needed with `indices`.
        height: Rows of the picture.

    Returns:
        RGB, uint8, shape (height, columns, 3).
    """
    low, high = display_range(voxels)
    turn = geometry.to_canonical
    canonical = geometry.reoriented(turn)
    grey = turn.apply(voxels)
    mask = np.zeros(grey.shape, np.uint8) if indices is None else turn.apply(indices)
    panels = []
    for axes, cut in _planes(mask):
        rgb = _overlay(grey[cut], mask[cut], labels, low, high)
        steps = [canonical.step[axis] for axis in axes]
        panels.append(
            _stretched(rgb, steps, height) if geometry.ndim == 2 else _stretched(rgb[::-1, ::-1], steps, height)
        )
        panels.append(np.zeros((height, _GAP, 3), np.uint8))
    return np.concatenate(panels[:-1], axis=1)


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


def _planes(mask: np.ndarray) -> list[tuple[tuple[int, int], tuple]]:
    """Pairs of shown axes and the cut that shows them: axial, coronal, sagittal."""
    if mask.ndim == 2:
        return [((0, 1), (slice(None), slice(None)))]
    inside = (mask > 0) & (mask != IGNORE_INDEX)
    middle = []
    for axis in range(3):
        count = inside.sum(axis=tuple(i for i in range(3) if i != axis))
        middle.append(int(count.argmax()) if count.any() else mask.shape[axis] // 2)
    every = slice(None)
    return [
        ((0, 1), (every, every, middle[2])),
        ((0, 2), (every, middle[1], every)),
        ((1, 2), (middle[0], every, every)),
    ]


def _overlay(plane: np.ndarray, mask: np.ndarray, labels: Labels | None, low: float, high: float) -> np.ndarray:
    """Grey values and coloured labels of one plane; array (x, y) becomes picture (rows, columns)."""
    scaled = np.clip((np.nan_to_num(plane.astype(np.float32)) - low) / (high - low), 0, 1)
    rgb = np.repeat(scaled.T[..., np.newaxis] * 255, 3, axis=2)
    shown = mask.T
    for index, label in enumerate(labels.labels if labels else (), start=1):
        inside = shown == index
        colour = np.array(label.colour)
        rgb[inside] = (1 - _FILL) * rgb[inside] + _FILL * colour
        rgb[inside & ~_eroded(inside)] = colour
    return rgb.astype(np.uint8)


def _eroded(inside: np.ndarray) -> np.ndarray:
    padded = np.pad(inside, 1)
    return inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _stretched(rgb: np.ndarray, steps: list[float], height: int) -> np.ndarray:
    """Nearest-neighbour zoom to `height` rows with physical proportions."""
    rows, columns = rgb.shape[:2]
    width = max(1, round(height * (columns * steps[0]) / (rows * steps[1])))
    row = np.arange(height) * rows // height
    column = np.arange(width) * columns // width
    return rgb[row][:, column]
