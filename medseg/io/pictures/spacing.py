"""The pixel spacing of a picture, where its file holds a measurement.

A measurement is the resolution of a TIFF with a unit, as film digitisers write it, or with ImageJ's unit. The
defaults of programs are none: 1, 72 and 96 to the inch, whatever the unit. The densities of PNG, JPEG and BMP are
none either, whatever their value: those formats define them as the size of the picture when it is shown or printed
("intended pixel size for display" in PNG's pHYs), not of what it shows, and such files are mostly exports at
another size. What is no measurement leaves the spacing unknown; a data set can state it (`spacing_mm`).
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image

from medseg.geometry import Geometry

__all__ = ["picture_geometry"]

_DESCRIPTION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 270, 282, 283, 296
_MM_PER_UNIT = {2: 25.4, 3: 10.0}
_MM_PER_IMAGEJ_UNIT = {
    **dict.fromkeys(("inch", "inches", "in"), 25.4),
    **dict.fromkeys(("cm", "centimeter"), 10.0),
    **dict.fromkeys(("mm", "millimeter"), 1.0),
    **dict.fromkeys(("um", "µm", "\u03bcm", "micron", "microns", "micrometer", r"\u00b5m"), 1e-3),
}
_DEFAULT_DPI = (1, 72, 96)


def picture_geometry(picture: PIL.Image.Image) -> tuple[Geometry, tuple[str, ...]]:
    """The grid of an opened picture, and why its spacing is unknown where the file says something of it."""
    tags = getattr(picture, "tag_v2", {}) if picture.format == "TIFF" else {}
    step, source = _imagej_step(tags) or _tiff_step(tags) or (None, "")
    if step is None:
        return Geometry.from_spacing(picture.size, None), _density_note(picture)
    if _is_default(step, tags):
        note = f"{25.4 / step[0]:.4g} dpi is a program's default, not a measurement: spacing unknown"
        return Geometry.from_spacing(picture.size, None), (note,)
    return Geometry.from_spacing(picture.size, step, source), ()


def _tiff_step(tags: Mapping[int, Any]) -> tuple[tuple[float, float], str] | None:
    return _step(tags, _MM_PER_UNIT.get(tags.get(_RESOLUTION_UNIT, 0)), "TIFF")


def _imagej_step(tags: Mapping[int, Any]) -> tuple[tuple[float, float], str] | None:
    description = str(tags.get(_DESCRIPTION, ""))
    unit = re.search(r"^unit=(.*)$", description, re.MULTILINE) if description.startswith("ImageJ=") else None
    return _step(tags, _MM_PER_IMAGEJ_UNIT.get(unit[1].strip().lower()), "ImageJ") if unit else None


def _step(tags: Mapping[int, Any], mm: float | None, source: str) -> tuple[tuple[float, float], str] | None:
    x, y = (float(tags.get(tag, 0) or 0) for tag in (_X_RESOLUTION, _Y_RESOLUTION))
    if mm is None or not all(np.isfinite(r) and r > 0 for r in (x, y)):
        return None
    return (mm / x, mm / y), source


def _is_default(step: tuple[float, float], tags: Mapping[int, Any]) -> bool:
    screen = any(np.allclose(step, 25.4 / dpi, rtol=1e-3) for dpi in _DEFAULT_DPI)
    return screen or (tags[_X_RESOLUTION] == 1 and tags[_Y_RESOLUTION] == 1)


def _density_note(picture: PIL.Image.Image) -> tuple[str, ...]:
    density = picture.info.get("dpi", (0, 0))[0]
    if picture.format == "TIFF" or not density or any(abs(density - default) < 0.5 for default in _DEFAULT_DPI):
        return ()
    return (f"{float(density):.4g} dpi of a {picture.format} is for print, not a measurement: spacing unknown",)
