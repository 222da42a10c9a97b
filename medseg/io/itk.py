"""NRRD and MetaImage through SimpleITK, turned from its LPS world to ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from medseg.errors import GeometryError, UnreadableFileError
from medseg.geometry import UNKNOWN, Geometry
from medseg.image import Image
from medseg.io.itk_header import declared
from medseg.io.stated import named_geometry
from medseg.io.stored import chosen_volume, not_finite
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry"]


def read(path: Path, inside: str = "", options: ReadOptions | None = None) -> Image:
    """An NRRD or MetaImage file as one channel in its stored type; of a fourth axis, the volume that is chosen.

    Raises:
        UnreadableFileError: The file is missing or broken, has several numbers a voxel, leads out of its folder or
            declares more than it holds.
        GeometryError: It has neither two nor three axes, and no volume of the fourth is chosen.
        InputError: There is no volume of the number that is asked for.
    """
    header = declared(path)
    with _quiet(path):
        reader = _information(path)
        geometry, volume = _geometry(path, reader, header.spacing_known, inside, options)
        if reader.GetDimension() == 4:
            reader.SetExtractSize([*reader.GetSize()[:3], 0])
            reader.SetExtractIndex([0, 0, 0, volume])
        voxels = SimpleITK.GetArrayFromImage(reader.Execute()).T
    return Image(voxels[np.newaxis], geometry, source=path, notes=(*header.notes, *not_finite(voxels)))


def read_geometry(path: Path, inside: str = "", options: ReadOptions | None = None) -> Geometry:
    """The grid alone; no voxel is read. Raises what `read` raises."""
    header = declared(path)
    with _quiet(path):
        return _geometry(path, _information(path), header.spacing_known, inside, options)[0]


@contextmanager
def _quiet(path: Path) -> Iterator[None]:
    """ITK's errors as ours, and its warnings not on the console."""
    shown = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1:] or [""]
        raise UnreadableFileError(path, f"cannot be read ({reason[0]})", "Fetch or export it again.") from error
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(shown)


def _information(path: Path) -> Any:
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise UnreadableFileError(
            path, f"holds {reader.GetNumberOfComponents()} numbers a voxel", "Write each as a file of its own.", "one"
        )
    return reader


def _geometry(
    path: Path, reader: Any, spacing_known: bool, inside: str, options: ReadOptions | None
) -> tuple[Geometry, int]:
    """The grid of one volume, and which one is read."""
    axes, size = reader.GetDimension(), reader.GetSize()
    if axes not in (2, 3, 4):
        raise GeometryError(path, f"has {axes} axes {size}", "Write the volumes as one file each.", "2, 3 or 4")
    volume = chosen_volume(path, size[3] if axes == 4 else 1, inside, options)
    direction = np.array(reader.GetDirection()).reshape(axes, axes)
    ndim = min(axes, 3)
    if np.any(direction[ndim:, :ndim]) or np.any(direction[:ndim, ndim:]):
        raise GeometryError(path, "has a fourth axis that runs through space", "Write the volumes as one file each.")
    affine = np.eye(ndim + 1)
    affine[:ndim, :ndim] = direction[:ndim, :ndim] * np.array(reader.GetSpacing()[:ndim])
    affine[:ndim, ndim] = reader.GetOrigin()[:ndim]
    if ndim == 3:
        affine[:2] *= -1  # ITK's world is LPS+: x to the left, y to the back; ours is RAS+
    return named_geometry(path, size[:ndim], affine, "affine" if spacing_known else UNKNOWN), volume
