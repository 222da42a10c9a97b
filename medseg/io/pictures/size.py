"""Whether a picture's file can hold the pixels that its header declares: what cannot is refused undecoded."""

from pathlib import Path

import PIL.Image

from medseg.errors import UnreadableFileError

__all__ = ["check_size"]

# How many bytes one byte can become at most. Deflate: 1032. LZW: the longest of 4096 strings for 12 bits.
# JPEG: one bit for each block of 64 samples. Run lengths: a byte pair for 128 (PackBits) or 255 (BMP) bytes.
_DEFLATE, _LZW, _JPEG, _RUNS = 1032, 2731, 1024, 128
_TIFF = {
    "raw": 1,
    "packbits": _RUNS,
    "tiff_lzw": _LZW,
    "tiff_adobe_deflate": _DEFLATE,
    "tiff_deflate": _DEFLATE,
    "jpeg": _JPEG,
    "tiff_jpeg": _JPEG,
}
_BMP_RUNS = (1, 2)
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _COMPRESSION = 258, 277, "compression"


def check_size(picture: PIL.Image.Image, path: Path) -> None:
    """Refuse a picture, opened but not decoded, whose pixels cannot lie in its file.

    Raises:
        UnreadableFileError: They cannot; it is damaged, or made to exhaust the memory.
        OSError: The file cannot be opened.
    """
    columns, rows = picture.size
    held = path.stat().st_size
    bits, ratio = _bits_and_ratio(picture, path)
    if columns * rows * bits / 8 > held * ratio:
        raise UnreadableFileError(
            path,
            f"declares {columns}×{rows} pixels, which cannot lie in its {held} bytes",
            "Fetch or export it again.",
        )


def _bits_and_ratio(picture: PIL.Image.Image, path: Path) -> tuple[int, int]:
    """Bits of a pixel before compression, and how much smaller its compression can make them."""
    if picture.format == "PNG":
        with path.open("rb") as file:
            head = file.read(26)
        return head[24] * {2: 3, 4: 2, 6: 4}.get(head[25], 1), _DEFLATE
    if picture.format == "TIFF":
        tags = getattr(picture, "tag_v2", {})
        bits = int(tags.get(_BITS_PER_SAMPLE, (1,))[0]) * int(tags.get(_SAMPLES_PER_PIXEL, 1))
        # Fax codes write a whole blank row in one bit, and the newer codecs nearly as much.
        return bits, _TIFF.get(picture.info[_COMPRESSION], picture.width)
    if picture.format == "BMP":
        with path.open("rb") as file:
            head = file.read(30)
        bits = int.from_bytes(head[24:26] if head[14] == 12 else head[28:30], "little")
        return bits, _RUNS if picture.info[_COMPRESSION] in _BMP_RUNS else 1
    return 8, _LZW if picture.format == "GIF" else _JPEG
