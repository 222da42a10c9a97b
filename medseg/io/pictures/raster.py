"""Pictures as images of one grey channel: 2D, axis 0 the column and axis 1 the row."""

from pathlib import Path

import numpy as np

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.pictures.decoding import Picture, load_geometry, load_picture
from medseg.options import ReadOptions

__all__ = ["luminance", "read", "read_geometry"]


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """A picture as one grey channel, in its stored type; colours become ITU-R 601 luminance.

    The spacing is a TIFF's where it is a measurement (see `picture_spacing`), else unknown.

    Args:
        path: PNG, JPEG, TIFF, BMP, GIF, PGM, PPM or PNM.
        inside: The page, from 0, of a file with several.
        options: `frame` is the page where the address names none.

    Raises:
        UnreadableFileError: The file is missing, broken, absurdly large or of several pages.
    """
    picture = load_picture(path, inside, options or ReadOptions())
    pixels = picture.pixels if picture.palette is None else _from_palette(picture.pixels, picture.palette)
    grey = luminance(pixels).T[np.newaxis]  # x fastest, as in the file: nothing is copied
    return Image(grey, picture.geometry, source=path, notes=picture.notes + _alpha_note(picture))


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no pixel is decoded. Raises what `read` raises."""
    return load_geometry(path, inside, options or ReadOptions())


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Grey from (rows, columns[, channels]): ITU-R BT.601 luma, rounded; equal channels stay exactly as they are.

    A second or fourth channel is transparency and has no part in it.
    """
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] < 3 or (pixels[..., :3] == pixels[..., :1]).all():
        return pixels[..., 0]
    luma = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return luma if pixels.dtype.kind == "f" else np.rint(luma).astype(pixels.dtype)


def _from_palette(indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colours of indices; those beyond the palette are black, as decoders have it."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    return colours[indices]


def _alpha_note(picture: Picture) -> tuple[str, ...]:
    pixels = picture.pixels
    if pixels.ndim == 2 or pixels.shape[2] not in (2, 4):
        return ()
    alpha = pixels[..., -1]
    return () if alpha.min() == alpha.max() else ("transparency has no part in the grey values",)
