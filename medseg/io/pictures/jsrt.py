"""Films of the JSRT database: 2048 by 2048 samples of 12 bits in 16, big-endian, row by row, without any header.

A sample is the film's optical density, so high means dark; the pixels are 0.175 mm (Shiraishi et al. 2000). As in
every radiograph here more is brighter, so that the voxels are 4095 less what is stored.
"""

from pathlib import Path

import numpy as np

from medseg.errors import UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import formats
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]

_SIDE, _LARGEST, _SPACING_MM = 2048, 4095, 0.175
_MEND = "Fetch it again, or put the .hdr beside it if it is Analyze."


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """A film as one grey channel, uint16 from 0 to 4095, shape (1, 2048, 2048), more is brighter.

    Raises:
        UnreadableFileError: The file cannot be read, has another size, or samples of more than 12 bits.
    """
    grid = read_geometry(path, inside, options)
    try:
        stored = np.fromfile(path, dtype=">u2").reshape(_SIDE, _SIDE)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", _MEND) from error
    if stored.max() > _LARGEST:
        raise UnreadableFileError(path, f"holds samples up to {stored.max()}", _MEND, f"a JSRT film, up to {_LARGEST}")
    voxels = np.ascontiguousarray((_LARGEST - stored.astype(np.uint16)).T)[np.newaxis]
    notes = ("a JSRT film stores densities, high is dark: the values are 4095 less what is stored",)
    return Image(voxels, grid, "RG", path, None, notes)


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid of every film; no pixel is read. Raises what `read` raises."""
    if inside not in ("", "0"):
        raise UnreadableFileError(path, f"has no image {inside!r}", "Leave the address away: it holds one picture.")
    if path.stat().st_size != formats.JSRT_BYTES:
        raise UnreadableFileError(path, f"has {path.stat().st_size} bytes", _MEND, f"{formats.JSRT_BYTES}")
    return Geometry.from_spacing((_SIDE, _SIDE), (_SPACING_MM, _SPACING_MM), "JSRT")
