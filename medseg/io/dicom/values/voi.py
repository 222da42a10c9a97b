"""The window or VOI LUT of a DICOM header: the values that a reader was meant to see, from 0 to 1 (PS3.3 C.11.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medseg.io.dicom.values.lookup import lookup_table

__all__ = ["windowed"]


def windowed(
    where: Path, values: np.ndarray, header: Any, possible: tuple[float, float]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values through the first VOI LUT, else the first window, else over their whole range; float32 from 0 to 1.

    0 and 1 are the least and greatest that a screen would show; the sense of MONOCHROME1 is not turned here.

    Args:
        where: The file, for messages.
        values: After the modality transform (rescale or LUT), any shape.
        header: A `pydicom.Dataset`, or the item of FrameVOILUTSequence of a frame.
        possible: The least and greatest value that the stored bits could stand for, for want of a window.

    Returns:
        The values, and notes on what was chosen or doubtful.

    Raises:
        UnreadableFileError: The VOI LUT is broken.
    """
    table = lookup_table(where, header, "VOILUTSequence")
    if table is not None:
        several = len(header.get("VOILUTSequence"))
        return (table.of(values) / np.float32(table.largest)).astype(np.float32), _of_several(several, "VOI LUTs")
    centres, widths = (_numbers(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if not centres or not widths or not np.isfinite([centres[0], widths[0]]).all() or widths[0] <= 0:
        low, high = possible
        shown = (values - np.float32(low)) / np.float32(max(high - low, 1e-30))
        return np.clip(shown, 0, 1).astype(np.float32), ("no usable window: the whole range of values is shown",)
    function = str(header.get("VOILUTFunction") or "LINEAR")
    notes = _of_several(len(centres), "windows")
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        notes += (f"VOILUTFunction {function} is unknown: taken as LINEAR",)
    return _through(values.astype(np.float32), centres[0], widths[0], function), notes


def _through(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    if function == "SIGMOID":
        # Beyond this the result is 0 or 1 in float32, and the exponential would overflow.
        return 1 / (1 + np.exp(np.clip(-4 * (values - np.float32(centre)) / np.float32(width), -80, 80)))
    if function != "LINEAR_EXACT" and width >= 1:
        # The standard's LINEAR counts whole numbers: a width of w has w values, so w - 1 steps.
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return (values > centre).astype(np.float32)
    return np.clip((values - np.float32(centre)) / np.float32(width) + np.float32(0.5), 0, 1)


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    many = isinstance(value, Sequence) and not isinstance(value, str)
    try:
        return [float(number) for number in (value if many else [value])]
    except (TypeError, ValueError):
        return []


def _of_several(count: int, what: str) -> tuple[str, ...]:
    return (f"the first of {count} {what} was applied",) if count > 1 else ()
