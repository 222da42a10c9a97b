"""One way to read an image, whatever its format: by the ending of its name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from medseg import address
from medseg.errors import InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import formats
from medseg.io.archive import is_archive
from medseg.io.channels import united
from medseg.options import ReadOptions

__all__ = ["READERS", "Reader", "read_geometry", "read_image"]


class Reader(Protocol):
    """One file format. A module with these two functions is one.

    Both name the file in every error they raise, and raise nothing but a `MedsegError`; memory stays below what the
    header declares, and what it declares must fit the file.
    """

    def read(self, path: Path, inside: str, options: ReadOptions) -> Image:
        """The image of one channel in its stored type; `inside` says which, where a file can hold several."""
        ...

    def read_geometry(self, path: Path, inside: str, options: ReadOptions) -> Geometry:
        """The grid alone; no voxel is decoded."""
        ...


def _nifti() -> Reader:
    from medseg.io.volumes import nifti

    return nifti


def _raster() -> Reader:
    from medseg.io.pictures import raster

    return raster


def _nrrd() -> Reader:
    from medseg.io.volumes import nrrd

    return nrrd


def _metaimage() -> Reader:
    from medseg.io.volumes import metaimage

    return metaimage


def _mgh() -> Reader:
    from medseg.io.volumes import mgh

    return mgh


def _arrays() -> Reader:
    from medseg.io.volumes import arrays

    return arrays


def _hdf5() -> Reader:
    from medseg.io.volumes import hdf5

    return hdf5


def _dicom() -> Reader:
    from medseg.io.dicom import series

    return series


def _zipped() -> Reader:
    from medseg.io import zipped

    return zipped


def _jsrt() -> Reader:
    from medseg.io.pictures import jsrt

    return jsrt


# The formats' libraries are loaded when a file of theirs is read.
READERS: dict[str, Callable[[], Reader]] = {
    **dict.fromkeys(formats.NIFTI, _nifti),
    **dict.fromkeys(formats.PAIRS, _nifti),
    **dict.fromkeys(formats.MGH, _mgh),
    **dict.fromkeys(formats.ARRAYS, _arrays),
    **dict.fromkeys(formats.HDF5, _hdf5),
    **dict.fromkeys(formats.RASTER, _raster),
    **dict.fromkeys(formats.NRRD, _nrrd),
    **dict.fromkeys(formats.METAIMAGE, _metaimage),
    **dict.fromkeys(formats.DICOM_ENDINGS, _dicom),
}


def read_image(source: str | Path | Sequence[str | Path], *, options: ReadOptions | None = None) -> Image:
    """An image from one file or DICOM folder, or from one for each channel.

    Args:
        source: NIfTI, Analyze, MGH, NRRD, MetaImage, HDF5, NumPy, PNG, JPEG, TIFF, BMP, GIF or DICOM files, films of
            the JSRT database, folders of one DICOM series, a zip of one series or NIfTI file, or an address inside
            one: `bold.nii.gz:/3` (see `medseg.address`).
        options: How to read, where there is a choice.

    Returns:
        Voxels of shape (C, x, y[, z]) in their stored type (the common type of the channels). The grid, the
        header and the modality are the reference channel's; see `medseg.io.channels` for channels on other grids.

    Raises:
        UnreadableFileError: A file is missing, broken or of an unknown kind.
        GeometryError: A grid is doubtful, or two channels are of different DICOM frames of reference.
        GridMismatchError: Two channels do not lie on one grid, and are not to be resampled.
        InputError: `options.reference` is not one of the channels.
    """
    options = options or ReadOptions()
    if isinstance(source, (str, Path)):
        return _read_one(source, options)
    if not source:
        raise InputError("source", "no file was given", "Pass a file, a DICOM folder, or one for each channel.")
    return united([_read_one(path, options) for path in source], options)


def read_geometry(source: str | Path, *, options: ReadOptions | None = None) -> Geometry:
    """The grid of an image from its headers; no voxel is decoded.

    Raises:
        UnreadableFileError: The file is missing, broken or of an unknown kind.
        GeometryError: The grid is doubtful.
    """
    path, inside = address.split(source)
    return _reader(path).read_geometry(path, inside, options or ReadOptions())


def _read_one(source: str | Path, options: ReadOptions) -> Image:
    path, inside = address.split(source)
    return _reader(path).read(path, inside, options)


def _reader(path: Path) -> Reader:
    if not address.exists(path):
        raise UnreadableFileError(path, "does not exist", "Check the path.")
    if path.is_dir():
        return _dicom()
    if not path.is_file():
        raise UnreadableFileError(path, "is a pipe or a device", "Save it as a file.")
    try:
        if formats.ending(path) not in READERS and formats.is_dicom(path):
            return _dicom()
        if is_archive(path):
            return _zipped()
        if formats.is_jsrt(path):
            return _jsrt()
        return READERS[formats.ending(path)]()
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be opened ({error})", "Check its permissions.") from error
    except KeyError:
        raise UnreadableFileError(
            path,
            f"has the unknown ending {path.suffix!r}",
            "Convert it, or pass the folder of a DICOM series.",
            f"one of {', '.join(READERS)}",
        ) from None
