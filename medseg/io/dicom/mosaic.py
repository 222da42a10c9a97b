"""Siemens mosaics: one picture in which the slices of a volume lie side by side, each as a slice of its own."""

import math
import warnings
from typing import Any

import numpy as np

from medseg.errors import UnreadableFileError
from medseg.io.dicom.grid import numbers
from medseg.io.dicom.headers import Slice, dataset, guarded

__all__ = ["is_mosaic", "tiles_of"]

_CONVERT = "Export it as single or enhanced frames, or convert it (dcm2niix)."


def is_mosaic(one: Slice) -> bool:
    """Whether its ImageType says so."""
    kind = one.header.get("ImageType") or ()
    return "MOSAIC" in (kind if isinstance(kind, tuple) else (kind,))


def tiles_of(one: Slice) -> list[Slice]:
    """A slice for each tile, with its own size and position and `Tiles`, the number of tiles in a row.

    The number of slices and their direction are in Siemens' private CSA header. The stated position is that of a
    slice as large as the whole mosaic, whose centre is the first slice's (as in SPM and dcm2niix).

    Raises:
        UnreadableFileError: There is no CSA header, or it does not fit the picture.
    """
    return guarded(one.path, lambda: _tiles(one, dataset(one.path)))


def _tiles(one: Slice, whole: Any) -> list[Slice]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel calls its DICOM package experimental; the CSA parser is ten years old
        from nibabel.nicom import csareader
    csa = csareader.get_csa_header(whole, "image")
    count = csareader.get_n_mosaic(csa) if csa else None
    direction = csareader.get_slice_normal(csa) if csa else None
    if not count or direction is None:
        raise UnreadableFileError(one.path, "is a mosaic of slices without Siemens' CSA header", _CONVERT)
    side = math.ceil(math.sqrt(count))
    rows, columns = int(one.header["Rows"]), int(one.header["Columns"])
    if rows % side or columns % side:
        raise UnreadableFileError(one.path, f"is a mosaic of {rows} rows that do not divide by {side}", _CONVERT)
    tile_rows, tile_columns = rows // side, columns // side
    along, down = np.array(numbers(one, "ImageOrientationPatient", 6)).reshape(2, 3)
    row_mm, column_mm = numbers(one, "PixelSpacing", 2)
    first = np.array(numbers(one, "ImagePositionPatient", 3))
    first = first + along * column_mm * (columns - tile_columns) / 2 + down * row_mm * (rows - tile_rows) / 2
    # Distance between slices; thickness alone where the header has no gap, as Siemens writes both alike.
    step = numbers(one, "SpacingBetweenSlices" if "SpacingBetweenSlices" in one.header else "SliceThickness", 1)[0]
    own = {"Rows": tile_rows, "Columns": tile_columns, "Tiles": side}
    return [
        Slice(
            one.path,
            {**one.header, **own, "ImagePositionPatient": tuple(first + k * step * np.asarray(direction))},
            one.pixels_at,
            one.deflated_at,
            k,
        )
        for k in range(count)
    ]
