"""Picture files decoded: PNG, JPEG, TIFF, BMP, GIF and the PNM family, with their samples as they are stored."""

import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from medseg import address
from medseg.errors import UnreadableFileError
from medseg.geometry import Geometry
from medseg.io.pictures import pnm
from medseg.io.pictures.deep import deep_colours, largest_where_white_is_zero, stored_samples
from medseg.io.pictures.size import check_size
from medseg.io.pictures.spacing import picture_geometry
from medseg.options import ReadOptions

__all__ = ["Picture", "load_geometry", "load_picture"]

# By content, whatever the name says; others that Pillow knows (EPS, PSD, ...) are no radiology.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF")
_LOSSY = ("jpeg", "tiff_jpeg", "webp")
_DESCRIPTION, _ORIENTATION = 270, 274
_LAST_UPRIGHT = 4  # later ones exchange rows and columns
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError, struct.error)


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded page.

    Args:
        pixels: Shape (rows, columns[, channels]); 2 channels are grey and alpha, 3 red, green and blue, 4 with alpha.
            Of a palette picture its indices, of a bilevel one 0 and 1.
        geometry: The grid, (columns, rows).
        palette: Red, green and blue of each index, shape (n, 3), where there is one.
        bilevel: Two values only: black and white.
        lossy: Compressed as JPEG, so that values are only near what was drawn.
        turned_from: Where white is zero in a TIFF, its largest sample: pixels are that less what is stored; else 0.
        notes: What was odd.
    """

    pixels: np.ndarray
    geometry: Geometry
    palette: np.ndarray | None = None
    bilevel: bool = False
    lossy: bool = False
    turned_from: int = 0
    notes: tuple[str, ...] = ()


def load_picture(path: Path, inside: str, options: ReadOptions) -> Picture:
    """A page of a picture file: the only one, the one `inside` names from 0, or `options.frame`.

    Raises:
        UnreadableFileError: The file is missing, broken, absurdly large or of several pages.
    """
    with _named(path):
        if pnm.is_pnm(path):
            _only_page(path, inside)
            header, pixels = pnm.read(path)
            return Picture(pixels, _pnm_geometry(header), bilevel=header.bitmap)
        with _opened(path, inside, options) as picture:
            geometry, notes = picture_geometry(picture)
            deep, deep_notes = deep_colours(picture, path)  # before Pillow decodes anything, as for EXIF in a PNG
            notes += deep_notes + _orientation_note(picture)
            bilevel, lossy = picture.mode == "1", _lossy(picture)
            if picture.mode in ("CMYK", "YCbCr", "LAB", "HSV", "PA", "RGBX"):
                picture = picture.convert("RGB")
            turned_from = largest_where_white_is_zero(picture)
            pixels = stored_samples(picture) if deep is None else deep
            palette = _palette(picture) if picture.mode == "P" else None
            return Picture(_native(pixels), geometry, palette, bilevel, lossy, turned_from, notes)


def load_geometry(path: Path, inside: str, options: ReadOptions) -> Geometry:
    """The grid alone; no pixel is decoded. Raises what `load_picture` raises."""
    with _named(path):
        if pnm.is_pnm(path):
            _only_page(path, inside)
            return _pnm_geometry(pnm.read_header(path))
        with _opened(path, inside, options) as picture:
            return picture_geometry(picture)[0]


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What goes wrong in reading becomes an error that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            yield
    except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError) as error:
        most = (PIL.Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise UnreadableFileError(
            path, f"declares more than {most:.0f} million pixels", "Cut or shrink it if it is what it should be."
        ) from error
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except PIL.UnidentifiedImageError as error:
        raise UnreadableFileError(
            path,
            "is no picture that can be read",
            "Export it again.",
            "PNG, JPEG, BMP, GIF, PNM, or TIFF of up to 32 bits",
        ) from error
    except _BROKEN as error:
        why = str(error).replace(f" {str(path)!r}", "")
        raise UnreadableFileError(path, f"cannot be read ({why})", "Fetch or export it again.") from error


@contextmanager
def _opened(path: Path, inside: str, options: ReadOptions) -> Iterator[PIL.Image.Image]:
    with PIL.Image.open(path, formats=_FORMATS) as picture:
        pages = getattr(picture, "n_frames", 1)
        if pages > 1:
            picture.seek(_page(path, inside, pages, options))
        else:
            _only_page(path, inside)
            _refuse_hidden_pages(picture, path)
        _refuse_sideways(picture, path)
        check_size(picture, path)
        yield picture


def _page(path: Path, inside: str, pages: int, options: ReadOptions) -> int:
    asked = inside or ("" if options.frame is None else str(options.frame))
    if not asked:
        raise UnreadableFileError(
            path,
            f"has {pages} pages",
            f"Name one as an address, {address.join(path.name, '0')} to {address.join(path.name, str(pages - 1))}.",
        )
    if not (asked.isascii() and asked.isdigit() and int(asked) < pages):
        raise UnreadableFileError(path, f"has no page {asked!r}", "Name another.", f"0 to {pages - 1}")
    return int(asked)


def _only_page(path: Path, inside: str) -> None:
    if inside not in ("", "0"):
        raise UnreadableFileError(path, f"has no page {inside!r}", "Leave the address away: it holds one picture.")


def _refuse_hidden_pages(picture: PIL.Image.Image, path: Path) -> None:
    """ImageJ writes large stacks with one directory for all of their pages."""
    description = str(_tags(picture).get(_DESCRIPTION, ""))
    lines = description.splitlines() if description.startswith("ImageJ=") else []
    if any(line.startswith("images=") and line != "images=1" for line in lines):
        raise UnreadableFileError(
            path, "is an ImageJ stack with one directory for all pages", "Save its pages as files of their own."
        )


def _refuse_sideways(picture: PIL.Image.Image, path: Path) -> None:
    """Pillow turns TIFFs as their orientation says, but scrambles those whose rows and columns it must exchange."""
    orientation = _tags(picture).get(_ORIENTATION, 1)
    if orientation > _LAST_UPRIGHT:
        raise UnreadableFileError(path, f"lies on its side (TIFF orientation {orientation})", "Save it upright.", "1")


def _tags(picture: PIL.Image.Image) -> Mapping[int, Any]:
    return getattr(picture, "tag_v2", {})


def _orientation_note(picture: PIL.Image.Image) -> tuple[str, ...]:
    if picture.getexif().get(_ORIENTATION, 1) == 1:
        return ()
    if picture.format == "TIFF":
        return ("turned as its TIFF orientation says",)
    return ("EXIF asks viewers to turn this picture: it is used as stored",)


def _lossy(picture: PIL.Image.Image) -> bool:
    return picture.format in ("JPEG", "MPO") or picture.info.get("compression") in _LOSSY


def _palette(picture: PIL.Image.Image) -> np.ndarray:
    return np.array(picture.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)


def _pnm_geometry(header: pnm.Header) -> Geometry:
    return Geometry.from_spacing((header.columns, header.rows), None)


def _native(pixels: np.ndarray) -> np.ndarray:
    """Bits as 0 and 1, and the machine's byte order."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
