"""Arrays as files that a page loads from disk: scripts that hand over a volume, and pictures.

Browsers refuse to read other files beside a page that was opened from disk, but they run scripts and show pictures.
"""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from PIL import Image as PillowImage

from medseg.atomic import atomic_path, write_text
from medseg.geometry import Geometry
from medseg.labels import Labels
from medseg.outputs.report.display import Range

__all__ = ["nifti_bytes", "script", "write_grey_picture", "write_mask_picture", "write_script"]

_LEVEL = 2


def script(call: str, content: Any) -> str:
    """A statement of JavaScript that assigns or hands over content; safe inside a page as well."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for bad, good in (("<", "\\u003c"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(bad, good)
    return f"{call}({text});\n"


def write_script(path: Path, call: str, content: Any, first: str = "") -> None:
    """Write `script` as a file, perhaps below a first line.

    Raises:
        OutputError: It cannot be written.
    """
    write_text(path, first + script(call, content))


def nifti_bytes(voxels: np.ndarray, geometry: Geometry, values: Range | None = None) -> str:
    """Eight-bit voxels as NIfTI-1, gzip, base64; of an image with the scale that gives back its values.

    Args:
        voxels: uint8, shape (x, y, z).
        geometry: Their grid, RAS+ mm as NIfTI's own world.
        values: What 0 and 255 stand for.
    """
    slope, low = (0.0, 0.0) if values is None else ((values.high - values.low) / 255, values.low)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *voxels.shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)  # uint8 of eight bits
    struct.pack_into("<8f", header, 76, 1, *geometry.step, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352, slope, low)
    struct.pack_into("<B", header, 123, 2)  # millimetres
    struct.pack_into("<2h", header, 252, 0, 1)  # the place is said by the affine
    struct.pack_into("<12f", header, 280, *geometry.affine[:3].ravel())
    header[344:348] = b"n+1\0"
    packed = igzip.compress(bytes(header) + voxels.tobytes(order="F"), _LEVEL, mtime=0)
    return base64.b64encode(packed).decode()


def write_grey_picture(path: Path, voxels: np.ndarray) -> None:
    """Write a radiograph, uint8, shape (x, y), as PNG.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path) as temporary:
        PillowImage.fromarray(np.ascontiguousarray(voxels.T)).save(temporary)


def write_mask_picture(path: Path, indices: np.ndarray, labels: Labels) -> None:
    """Write class indices, shape (x, y), as a PNG in the labels' colours, clear where there is none.

    Raises:
        OutputError: It cannot be written.
    """
    colours = np.zeros((256, 4), np.uint8)
    for index, label in enumerate(labels.labels, start=1):
        colours[index] = (*label.colour, 255)
    picture = PillowImage.fromarray(np.ascontiguousarray(indices.T), mode="P")
    picture.putpalette(colours[:, :3].tobytes())
    with atomic_path(path) as temporary:
        picture.save(temporary, transparency=colours[:, 3].tobytes())
