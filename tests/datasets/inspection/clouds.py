"""Structured images and disks, written as pictures and as volumes."""

from pathlib import Path

import nibabel
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

__all__ = ["disk", "save_picture", "save_volume", "texture"]


def texture(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Cloudy structure of two scales from 20 to 220, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    cloud = sum(gaussian_filter(rng.normal(size=shape), scale) * scale ** (len(shape) / 2) for scale in (2, 6))
    low, high = cloud.min(), cloud.max()
    return 20 + 200 * (cloud - low) / (high - low)


def disk(shape: tuple[int, ...]) -> np.ndarray:
    grid = np.indices(shape) - np.reshape([n / 2 for n in shape], (-1, *[1] * len(shape)))
    return ((grid**2).sum(axis=0) < 8**2).astype(np.uint8)


def save_picture(path: Path, rows: np.ndarray, **kept: int) -> None:
    Image.fromarray(np.clip(rows, 0, 255).astype(np.uint8)).save(path, **kept)


def save_volume(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    spacing = np.diag([1.0, 1.0, 2.0, 1.0]) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(voxels, spacing), path)
