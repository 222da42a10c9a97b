"""Small volumes and the folders of each layout."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import write_image

VolumeWriter = Callable[..., Path]


@pytest.fixture
def volume() -> VolumeWriter:
    """Writes a NIfTI of shape (4, 5, 6); a value makes it constant, and it may be shifted in mm."""

    def write(path: Path, value: int | None = None, shift: float = 0.0) -> Path:
        own = np.random.default_rng(zlib.crc32(path.name.encode())).permutation(120)  # each file's own
        voxels = own if value is None else np.full(120, value)
        affine = np.eye(4)
        affine[0, 3] = shift
        grid = Geometry((4, 5, 6), affine)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, Image(voxels.astype(np.int16).reshape(1, 4, 5, 6), grid))
        return path

    return write


@pytest.fixture
def paired(tmp_path: Path, volume: VolumeWriter) -> Path:
    """Layout "paired": cases a, b and c, labelled."""
    root = tmp_path / "paired"
    for name in "cab":
        volume(root / "images" / f"{name}.nii.gz")
        volume(root / "labels" / f"{name}.nii.gz", 1)
    return root
