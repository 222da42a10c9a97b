"""Colours as DICOM stores them."""

from collections.abc import Sequence

import numpy as np

__all__ = ["cielab_of_rgb", "rgb_of_cielab"]

_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65, the white of sRGB, as dcmqi, highdicom and 3D Slicer encode it
_XYZ_TO_RGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)


def rgb_of_cielab(stored: Sequence[int] | None) -> tuple[int, int, int] | None:
    """An sRGB colour (0 to 255) from a RecommendedDisplayCIELabValue, three numbers of 16 bits; `None` without one.

    L* runs from 0 to 100, a* and b* from -128 to 127 (PS3.3 C.10.7.1.1). To XYZ as in CIE 15, to sRGB as in
    IEC 61966-2-1.
    """
    if stored is None or isinstance(stored, (int, str)) or len(stored) != 3:
        return None
    lightness, a, b = np.array([int(part) for part in stored]) / 65535 * (100, 255, 255) - (0, 128, 128)
    root = (lightness + 16) / 116 + np.array([a / 500, 0.0, -b / 200])
    linear = _XYZ_TO_RGB @ (_WHITE * np.where(root > 6 / 29, root**3, 3 * (6 / 29) ** 2 * (root - 4 / 29)))
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(part) for part in np.rint(encoded * 255).clip(0, 255))
    return red, green, blue


def cielab_of_rgb(colour: Sequence[int]) -> tuple[int, int, int]:
    """The RecommendedDisplayCIELabValue of an sRGB colour (0 to 255): the inverse of `rgb_of_cielab`."""
    encoded = np.array([int(part) for part in colour]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    ratio = np.linalg.inv(_XYZ_TO_RGB) @ linear / _WHITE
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    found = np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
    shifted = found + np.array([0, 128, 128])
    stored = np.rint(shifted / (100, 255, 255) * 65535).clip(0, 65535)
    lightness, a, b = (int(part) for part in stored)
    return lightness, a, b
