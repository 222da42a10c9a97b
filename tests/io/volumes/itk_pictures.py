"""Pictures that ITK writes, to compare our reading of its formats with its own."""

from pathlib import Path

import numpy as np
import SimpleITK

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
OBLIQUE = (0.8, 0.0, 0.6, 0.0, 1.0, 0.0, -0.6, 0.0, 0.8)
LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])


def picture(voxels: np.ndarray = VOXELS, direction: tuple[float, ...] = OBLIQUE) -> SimpleITK.Image:
    """An image of ITK's whose axes (x, y, z) are the array's."""
    made = SimpleITK.GetImageFromArray(voxels.T)
    made.SetSpacing((0.5, 1.25, 3.0)[: voxels.ndim])
    made.SetOrigin((10.0, -20.0, 30.5)[: voxels.ndim])
    made.SetDirection(direction)
    return made


def lps_affine(made: SimpleITK.Image) -> np.ndarray:
    ndim = made.GetDimension()
    affine = np.eye(ndim + 1)
    affine[:ndim, :ndim] = np.reshape(made.GetDirection(), (ndim, ndim)) * made.GetSpacing()
    affine[:ndim, ndim] = made.GetOrigin()
    return affine


def saved(path: Path, made: SimpleITK.Image | None = None, *, packed: bool = False) -> Path:
    SimpleITK.WriteImage(picture() if made is None else made, str(path), packed)
    return path


def edited(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    return path
