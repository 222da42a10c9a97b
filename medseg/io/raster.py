"""PNG, JPEG, TIFF and BMP: 2D images, axis 0 the column and axis 1 the row."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image

from medseg.errors import LabelError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.options import ReadOptions

__all__ = ["luminance", "read", "read_geometry", "read_labels"]

_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_MM_PER_UNIT = {2: 25.4, 3: 10.0}
_SCREEN_DPI = (1.0, 72.0, 96.0)  # written by programs that know nothing of the object's size
_EXIF_ORIENTATION = 0x0112


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """A raster image as one grey channel, 8 or 16 bit as stored; colours become ITU-R 601 luminance.

    The spacing is a TIFF's resolution where it has a unit (72 and 96 dpi are screen defaults), else unknown.

    Raises:
        UnreadableFileError: The file is missing, broken, of several pages or absurdly large.
    """
    with _opened(path) as picture:
        geometry, notes = _geometry(picture)
        notes += _notes(picture)
        if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "PA"):
            picture = picture.convert("RGB")
        pixels = np.array(picture)
    grey = luminance(pixels)
    return Image(np.ascontiguousarray(_native(grey).T)[np.newaxis], geometry, source=path, notes=notes)


def read_labels(path: Path) -> tuple[np.ndarray, Geometry]:
    """A raster label map in its file values, shape (x, y).

    Colours must have equal channels; of a palette with colours, the indices are the values.

    Raises:
        LabelError: The channels differ.
        UnreadableFileError: As for `read`.
    """
    with _opened(path) as picture:
        geometry, _notes = _geometry(picture)
        pixels = np.array(picture)
        if picture.mode == "P":
            palette = np.array(picture.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
            if (palette == palette[:, :1]).all():
                pixels = palette[:, 0][np.minimum(pixels, len(palette) - 1)]
    if pixels.ndim == 3:
        colours = pixels[..., : 1 if pixels.shape[2] == 2 else 3]
        if (colours != colours[..., :1]).any():
            raise LabelError(
                path,
                "is a colour picture whose channels differ",
                "Save the label map as a grey PNG whose values are the labels.",
            )
        pixels = colours[..., 0]
    return np.ascontiguousarray(_native(pixels).T), geometry


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no pixel is decoded. Raises what `read` raises."""
    with _opened(path) as picture:
        return _geometry(picture)[0]


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


@contextmanager
def _opened(path: Path) -> Iterator[PIL.Image.Image]:
    """The picture; what goes wrong in reading it becomes an error that names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(path) as picture:
                pages = getattr(picture, "n_frames", 1)
                if pages > 1:
                    raise UnreadableFileError(
                        path, f"has {pages} pages", "Save the one to segment as a file of its own."
                    )
                yield picture
    except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError) as error:
        raise UnreadableFileError(
            path, f"is too large ({error})", "Cut or shrink the picture if it is what it should be."
        ) from error
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, struct.error) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Fetch or export it again.") from error


def _geometry(picture: PIL.Image.Image) -> tuple[Geometry, tuple[str, ...]]:
    columns, rows = picture.size
    tags = getattr(picture, "tag_v2", {})
    unit = _MM_PER_UNIT.get(tags.get(_RESOLUTION_UNIT, 0))
    resolution = [float(tags.get(tag, 0) or 0) for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
    if picture.format != "TIFF" or unit is None or not all(np.isfinite(r) and r > 0 for r in resolution):
        return Geometry.from_spacing((columns, rows), None), ()
    if unit == _MM_PER_UNIT[2] and resolution[0] in _SCREEN_DPI:
        note = f"{resolution[0]:g} dpi is a program's default, not a measurement: spacing unknown"
        return Geometry.from_spacing((columns, rows), None), (note,)
    return Geometry.from_spacing((columns, rows), [unit / r for r in resolution], "TIFF"), ()


def _notes(picture: PIL.Image.Image) -> tuple[str, ...]:
    notes = []
    tile = getattr(picture, "tile", None)
    if tile and "16" in str(tile[0][3]) and picture.mode in ("RGB", "RGBA", "LA"):
        notes.append("16-bit colours were read as 8 bit")
    if picture.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        notes.append("EXIF asks viewers to turn this picture: it is used as stored")
    return tuple(notes)


def _native(pixels: np.ndarray) -> np.ndarray:
    """Bits as 0 and 1, and the machine's byte order."""
    return (
        pixels.astype(np.uint8) if pixels.dtype == bool else pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    )
