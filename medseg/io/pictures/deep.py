"""Samples that Pillow changes while decoding, as they are stored: deep colours, signs, white at zero."""

from pathlib import Path

import numpy as np
import PIL.Image

from medseg.errors import UnreadableFileError

__all__ = ["deep_colours", "largest_where_white_is_zero", "stored_samples"]

_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANAR, _TILE_WIDTH, _SAMPLE_FORMAT = 258, 262, 274, 284, 322, 339
_WHITE_IS_ZERO, _SEPARATE, _UNSIGNED, _SIGNED = 0, 2, 1, 2


def deep_colours(picture: PIL.Image.Image, path: Path) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Colours of 16 bits a channel, shape (rows, columns, channels), or `None` and perhaps a note why not.

    Pillow decodes them to 8 bits; SimpleITK keeps them, but of TIFF only those in strips, upright, on a single page.

    Raises:
        UnreadableFileError: A TIFF keeps 16-bit channels apart, which neither decodes rightly.
    """
    tags = getattr(picture, "tag_v2", {})
    if not _is_deep(picture):
        return None, ()
    if tags.get(_PLANAR) == _SEPARATE:
        raise UnreadableFileError(path, "keeps the channels of its 16-bit colours apart", "Save it interleaved.")
    plain = _TILE_WIDTH not in tags and tags.get(_ORIENTATION, 1) == 1 and getattr(picture, "n_frames", 1) == 1
    if plain and picture.mode in ("RGB", "RGBA"):
        import SimpleITK

        try:
            pixels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        except RuntimeError:
            pixels = np.empty(0)
        if pixels.dtype == np.uint16 and pixels.shape[:2] == picture.size[::-1]:
            return pixels, ()
    return None, ("16-bit colours were read as 8 bit",)


def largest_where_white_is_zero(picture: PIL.Image.Image) -> int:
    """The largest sample of a grey TIFF of whole numbers in which white is zero; 0 of any other picture."""
    tags = getattr(picture, "tag_v2", {})
    if picture.format != "TIFF" or len(picture.getbands()) > 1 or tags.get(_PHOTOMETRIC, 0) != _WHITE_IS_ZERO:
        return 0
    bits, kind = _bits_and_kind(picture)
    if kind != _UNSIGNED:
        return 0
    return 1 if picture.mode == "1" else 255 if bits <= 8 else 2**bits - 1


def stored_samples(picture: PIL.Image.Image) -> np.ndarray:
    """Decoded pixels, shape (rows, columns[, channels]), in the type that the file stores.

    Where white is zero, samples of more than 8 bits are turned, as Pillow turns the others.
    """
    largest = largest_where_white_is_zero(picture)
    pixels = np.array(picture)
    if picture.format != "TIFF" or pixels.ndim != 2:
        return pixels
    bits, kind = _bits_and_kind(picture)
    if kind == _SIGNED and bits in (8, 16):
        return pixels.astype(np.int8 if bits == 8 else np.int16)
    if kind == _UNSIGNED and bits == 32:
        pixels = pixels.astype(np.uint32)
    return largest - pixels if largest > 255 else pixels


def _bits_and_kind(picture: PIL.Image.Image) -> tuple[int, int]:
    tags = getattr(picture, "tag_v2", {})
    return int(tags.get(_BITS, (1,))[0]), int(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0])


def _is_deep(picture: PIL.Image.Image) -> bool:
    """Whether the file holds colours of 16 bits, of which Pillow speaks in its decoder's arguments alone."""
    if len(picture.getbands()) == 1:
        return False
    if picture.format == "TIFF":
        return max(getattr(picture, "tag_v2", {}).get(_BITS, (1,))) == 16
    return picture.format == "PNG" and any("16" in str(tile) for tile in getattr(picture, "tile", ()))
