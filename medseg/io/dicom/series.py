"""One DICOM series, or one radiograph, as an image."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from medseg.errors import InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.dicom.grid import radiograph_grid, sorted_with_grid
from medseg.io.dicom.headers import RADIOGRAPHS, Slice, image_headers, one_series
from medseg.io.dicom.pixels import inverted, rescaled, stored_slice, stored_volume
from medseg.options import ReadOptions

__all__ = ["FirstImage", "first_image", "read", "read_geometry", "read_series"]

T = TypeVar("T")
_EXPORT_AGAIN = "Fetch or export it again."
Source = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class FirstImage:
    """What the first image among files says: whose it is and whether it is a projection, a case of its own."""

    patient: str
    radiograph: bool


def read_series(source: Source) -> Image:
    """The one image series of a folder, or of files.

    Slices are sorted by their position along the slice normal; the distance between them comes from the positions.
    Values are rescaled (HU for CT). A radiograph is a 2D image in which more is brighter.

    Args:
        source: A folder (its sub-folders are not searched), a file, or the files of one series.

    Returns:
        One channel, shape (1, x, y[, z]): x is the column, y the row, z the slice.

    Raises:
        UnreadableFileError: There is no image, or one that is broken or multi-frame.
        InputError: There are several series, or several radiographs.
        GeometryError: The slices do not make a regular grid.
        MissingExtraError: A decoder is not installed.
    """
    paths = _paths(source)
    image, warned = _guarded(paths, lambda: _read(paths))
    return Image(image.voxels, image.geometry, image.modality, image.source, None, (*image.notes, *warned))


def read(path: Path, inside: str, options: ReadOptions) -> Image:
    """The one image series of a folder or file; see `read_series`."""
    return read_series(path)


def read_geometry(source: Source, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid of a series from its headers; no pixel is decoded. Raises what `read_series` raises."""
    paths = _paths(source)
    return _guarded(paths, lambda: _grid(paths)[1])[0]


def first_image(files: Sequence[Path]) -> FirstImage | None:
    """Of the first DICOM image among files; `None` where none is an image.

    A broken file counts as an image without patient, so that it becomes a case, and its error a row.
    """
    try:
        for path in files:
            slices = _guarded(path, lambda path=path: image_headers([path]))[0][0]  # type: ignore[misc]
            if slices:
                header = slices[0].header
                return FirstImage(str(header.get("PatientID", "") or ""), slices[0].modality in RADIOGRAPHS)
    except UnreadableFileError:
        return FirstImage("", False)
    return None


def _read(paths: Path | list[Path]) -> Image:
    slices, geometry, notes = _grid(paths)
    first = slices[0].header
    dark_is_more = first.get("PhotometricInterpretation") == "MONOCHROME1"
    colour = int(first.get("SamplesPerPixel", 1)) > 1
    notes += ("colours were turned into grey",) if colour else ()
    if geometry.ndim == 2:
        stored = stored_slice(slices[0])
        values = rescaled((inverted(stored, first) if dark_is_more else stored)[np.newaxis], slices)[0]
    else:
        values = rescaled(stored_volume(slices), slices)
        notes += ("MONOCHROME1: values are kept as stored",) if dark_is_more else ()
    source = paths if isinstance(paths, Path) else paths[0].parent
    # Decoded arrays run (slice, row, column); ours run (column, row, slice).
    return Image(values.T[np.newaxis], geometry, slices[0].modality, source, None, notes)


def _grid(paths: Path | list[Path]) -> tuple[list[Slice], Geometry, tuple[str, ...]]:
    slices, notes = one_series(paths)
    where = paths if isinstance(paths, Path) else slices[0].path.parent
    first = slices[0]
    _refuse_packed(first)
    projection = first.modality in RADIOGRAPHS or (len(slices) == 1 and "ImagePositionPatient" not in first.header)
    if not projection:
        ordered, geometry, grid_notes = sorted_with_grid(slices, where)
        return ordered, geometry, notes + grid_notes
    if len(slices) > 1:
        names = ", ".join(one.path.name for one in slices[:5])
        raise InputError(where, f"holds {len(slices)} radiographs ({names})", "Pass them as files.", "one")
    return slices, radiograph_grid(first.header), notes


def _refuse_packed(one: Slice) -> None:
    """Refuse files that hold several slices, whose places this reader does not know."""
    frames = int(one.header.get("NumberOfFrames") or 1)
    mosaic = "MOSAIC" in (one.header.get("ImageType") or ())
    if frames > 1 or mosaic:
        found = "is a mosaic of slices" if mosaic else f"is a multi-frame object of {frames} frames"
        raise UnreadableFileError(one.path, found, "Convert it to single frames or NIfTI (dcm2niix).")


def _paths(source: Source) -> Path | list[Path]:
    if not isinstance(source, (str, Path)):
        return [Path(path) for path in source]
    path = Path(source)
    if not path.exists():
        raise UnreadableFileError(path, "does not exist", "Check the path.")
    return path


def _guarded(paths: Path | list[Path], work: Callable[[], T]) -> tuple[T, tuple[str, ...]]:
    """A result, and what pydicom warned of meanwhile, each text once.

    pydicom converts a value when it is first asked for, so that a broken one can raise anywhere below here.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = work()
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NotImplementedError) as error:
            where = paths if isinstance(paths, Path) else paths[0].parent
            raise UnreadableFileError(
                where, f"has header values that cannot be used ({error})", _EXPORT_AGAIN
            ) from error
    return result, tuple(dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught))
