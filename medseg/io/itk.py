"""NRRD and MetaImage through SimpleITK, turned from its LPS world to ours."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from medseg.errors import GeometryError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """An NRRD or MetaImage file as one channel in its stored type.

    Raises:
        UnreadableFileError: The file is missing or broken, or has several numbers a voxel.
        GeometryError: It has neither two nor three axes.
    """
    reader = _information(path)
    if reader.GetNumberOfComponents() != 1:
        raise UnreadableFileError(
            path, f"holds {reader.GetNumberOfComponents()} numbers a voxel", "Write each as a file of its own.", "one"
        )
    try:
        voxels = SimpleITK.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise UnreadableFileError(path, "cannot be read", "Fetch or export it again.") from error
    return Image(voxels.T[np.newaxis], _geometry(path, reader), source=path)


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    return _geometry(path, _information(path))


def _information(path: Path) -> Any:
    if not path.is_file():
        raise UnreadableFileError(path, "does not exist", "Check the path.")
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise UnreadableFileError(path, "cannot be read", "Fetch or export it again.") from error
    return reader


def _geometry(path: Path, reader: Any) -> Geometry:
    ndim = reader.GetDimension()
    if ndim not in (2, 3):
        raise GeometryError(path, f"has {ndim} axes", "Write the volumes as one file each.", "one image or volume")
    spacing = np.array(reader.GetSpacing())
    affine = np.eye(ndim + 1)
    affine[:ndim, :ndim] = np.array(reader.GetDirection()).reshape(ndim, ndim) * spacing
    affine[:ndim, ndim] = reader.GetOrigin()
    if ndim == 3:
        affine[:2] *= -1  # ITK's world is LPS+: x to the left, y to the back; ours is RAS+
    return Geometry(reader.GetSize(), affine)
