"""Label maps drawn as pictures: values in grey or palettes, labels in colours, compressed as JPEG or not."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg.errors import LabelError
from medseg.io.label_map import LabelMap
from medseg.io.pictures.decoding import Picture, load_picture
from medseg.io.pictures.nearest_labels import Notes, nearest_declared, nearest_value
from medseg.io.pictures.raster import luminance
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["read"]

_CHROMA_NOISE = 32  # how far JPEG may push the channels of a grey apart
_SHOWN = 5


def read(path: Path, inside: str, labels: Labels | None, options: ReadOptions) -> LabelMap:
    """A picture's label map in file values, shape (x, y).

    A grey picture holds the file values; so does a palette of greys, and of a palette of colours the indices are
    the values. White of a bilevel picture is 1, or 255 where the labels declare that and not 1. Where labels are
    declared by colour, the colours of the picture say the file values, unless it is grey and holds those already.

    What is not exactly declared gets the nearest declared colour of a colour-coded picture and the nearest declared
    value of a JPEG; of other pictures only with `options.nearest_label`.

    Raises:
        LabelError: Colours or transparency that mean nothing declared, or a JPEG of undeclared labels.
        UnreadableFileError: As for `pictures.load_picture`.
    """
    picture = load_picture(path, inside, options)
    if picture.turned_from:
        picture = replace(picture, pixels=(picture.turned_from - picture.pixels).astype(picture.pixels.dtype))
    if labels is not None and labels.colours:
        mask, notes = _by_colour(picture, labels, path)
    else:
        mask, notes = _by_value(picture, labels, options, path)
    turned = tuple(note for note in picture.notes if "orientation" in note or "EXIF" in note)
    return LabelMap(mask.T, picture.geometry, turned + notes)


def _by_value(picture: Picture, labels: Labels | None, options: ReadOptions, path: Path) -> tuple[np.ndarray, Notes]:
    values = _values(picture, path)
    if picture.bilevel:
        return values * np.uint8(_white(labels)), ()
    if labels is None:
        if picture.lossy and values.any():
            raise LabelError(
                path,
                "is a JPEG, whose values are only near what was drawn",
                "Declare the labels (`labels: {lesion: 255}`), or save the mask as PNG.",
            )
        return values, ()
    if not (picture.lossy or options.nearest_label):
        return values, ()
    return nearest_value(values, labels, path, lossy=picture.lossy)


def _values(picture: Picture, path: Path) -> np.ndarray:
    palette, pixels = picture.palette, picture.pixels
    if palette is not None:
        grey = (palette == palette[:, :1]).all()
        return palette[:, 0][np.minimum(pixels, len(palette) - 1)] if grey else pixels
    if pixels.ndim == 2:
        return pixels
    colours = _opaque(pixels, path)
    apart = int(np.ptp(colours, axis=-1).max(initial=0))
    if apart > (_CHROMA_NOISE if picture.lossy else 0):
        raise LabelError(
            path,
            f"is a colour picture whose channels differ (the commonest colours: {_commonest(colours)})",
            'Declare the colours in the config (`labels: {lesion: "#ff0000"}`), or save the label map as a grey PNG.',
        )
    return luminance(colours)


def _by_colour(picture: Picture, labels: Labels, path: Path) -> tuple[np.ndarray, Notes]:
    pixels = picture.pixels * np.uint8(255) if picture.bilevel else picture.pixels
    if picture.palette is not None:
        pixels = picture.palette[np.minimum(pixels, len(picture.palette) - 1)]
    elif pixels.ndim == 2:
        if not picture.lossy and np.isin(np.unique(pixels), labels.file_values).all():
            return pixels, ()
        pixels = np.stack([pixels] * 3, axis=-1)
    else:
        pixels = _opaque(pixels, path)
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise LabelError(path, f"holds {pixels.dtype} and no colours", "Declare its labels by value.")
    values = np.array([value for _colour, value in labels.colours], dtype=np.uint8)
    colours = [colour for colour, _value in labels.colours]
    which, notes = nearest_declared(pixels, colours, path, lossy=picture.lossy)
    return values[which], notes


def _opaque(pixels: np.ndarray, path: Path) -> np.ndarray:
    """The three colour channels, which transparency must not contradict."""
    grey = pixels.shape[2] == 2
    colours = np.repeat(pixels[..., :1], 3, axis=-1) if grey else pixels[..., :3]
    if pixels.shape[2] == 3:
        return colours
    alpha = pixels[..., -1]
    uniform = (colours == colours[:1, :1]).all()
    if alpha.min() < alpha.max() and (uniform or colours[alpha == 0].any()):
        raise LabelError(
            path,
            "is partly transparent, and its colours say another thing than what shows",
            "Save it without transparency, on a background of one colour.",
        )
    return colours


def _white(labels: Labels | None) -> int:
    return 255 if labels and 255 in labels.file_values and 1 not in labels.file_values else 1


def _commonest(colours: np.ndarray) -> str:
    codes = colours.astype(np.uint32) @ np.array([1 << 32, 1 << 16, 1], dtype=np.uint64)
    found, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    shown = [(found[i] >> 32, found[i] >> 16 & 0xFFFF, found[i] & 0xFFFF) for i in order]
    return ", ".join(f"{'/'.join(map(str, map(int, c)))} in {counts[i]}" for c, i in zip(shown, order, strict=True))
