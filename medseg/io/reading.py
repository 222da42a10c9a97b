"""One way to read an image, whatever its format: by the ending of its name."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg.errors import GridMismatchError, InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import formats
from medseg.io.grids import exact_turn, mismatch

__all__ = ["READERS", "read_geometry", "read_image"]


def _nifti(path: Path) -> Image:
    from medseg.io import nifti

    return nifti.read(path)


def _raster(path: Path) -> Image:
    from medseg.io import raster

    return raster.read(path)


def _itk(path: Path) -> Image:
    from medseg.io import itk

    return itk.read(path)


def _dicom(path: Path) -> Image:
    from medseg.io import dicom

    return dicom.read_series(path)


READERS: dict[str, Callable[[Path], Image]] = {
    **dict.fromkeys(formats.NIFTI, _nifti),
    **dict.fromkeys(formats.RASTER, _raster),
    **dict.fromkeys(formats.ITK, _itk),
    **dict.fromkeys(formats.DICOM_ENDINGS, _dicom),
}


def read_image(source: str | Path | Sequence[str | Path]) -> Image:
    """An image from one file or DICOM folder, or from one for each channel.

    Args:
        source: NIfTI, PNG, JPEG, TIFF, BMP, NRRD, MetaImage or DICOM files, or folders of one DICOM series.

    Returns:
        Voxels of shape (C, x, y[, z]) in their stored type (the common type of the channels). The grid, the
        header and the modality are the first channel's.

    Raises:
        UnreadableFileError: A file is missing, broken or of an unknown kind.
        GeometryError: A grid is doubtful.
        GridMismatchError: Two channels do not lie on one grid.
    """
    if isinstance(source, (str, Path)):
        return _read_one(Path(source))
    if not source:
        raise InputError("source", "no file was given", "Pass a file, a DICOM folder, or one for each channel.")
    first, *others = [_read_one(Path(path)) for path in source]
    if not others:
        return first
    voxels = [first.voxels, *(_on_first(first, image) for image in others)]
    notes = tuple(note for image in (first, *others) for note in image.notes)
    return replace(first, voxels=np.concatenate(voxels), notes=notes)


def read_geometry(path: str | Path) -> Geometry:
    """The grid of an image from its headers; no voxel is decoded.

    Raises:
        UnreadableFileError: The file is missing, broken or of an unknown kind.
        GeometryError: The grid is doubtful.
    """
    path = Path(path)
    reader = _reader(path)
    if reader is _nifti:
        from medseg.io import nifti

        return nifti.read_geometry(path)
    if reader is _raster:
        from medseg.io import raster

        return raster.read_geometry(path)
    if reader is _itk:
        from medseg.io import itk

        return itk.read_geometry(path)
    from medseg.io import dicom

    return dicom.read_geometry(path)


def _read_one(path: Path) -> Image:
    return _reader(path)(path)


def _reader(path: Path) -> Callable[[Path], Image]:
    if path.is_dir():
        return _dicom
    if not path.exists():
        raise UnreadableFileError(path, "does not exist", "Check the path.")
    try:
        if formats.ending(path) not in READERS and formats.is_dicom(path):
            return _dicom
        return READERS[formats.ending(path)]
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be opened ({error})", "Check its permissions.") from error
    except KeyError:
        raise UnreadableFileError(
            path,
            f"has the unknown ending {path.suffix!r}",
            "Convert it, or pass the folder of a DICOM series.",
            f"one of {', '.join(READERS)}",
        ) from None


def _on_first(first: Image, other: Image) -> np.ndarray:
    turn = exact_turn(other.geometry, first.geometry)
    if turn is None:
        found = f"{mismatch(other.geometry, first.geometry)} (channel {other.source})"
        raise GridMismatchError(
            first.source or "image", found, "Resample the channels onto one grid before segmenting them together."
        )
    return turn(other.voxels)
