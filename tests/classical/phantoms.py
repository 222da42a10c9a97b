"""Images in which the truth is known: a ball on a darker ground, with noise."""

import numpy as np

from medseg.geometry import Geometry
from medseg.image import Image

__all__ = ["BALL_MM", "ball_image", "dice", "image_of"]

BALL_MM = 12.0


def image_of(voxels: np.ndarray, spacing: tuple[float, ...] | None = None, **facts: str) -> Image:
    """An image of one channel; 1 mm along each axis unless given."""
    steps = spacing or (1.0,) * voxels.ndim
    return Image(voxels[np.newaxis], Geometry.from_spacing(voxels.shape, steps), **facts)


def ball_image(
    shape: tuple[int, ...], spacing: tuple[float, ...], *, inside: float = 200, noise: float = 8, seed: int = 0
) -> tuple[Image, np.ndarray]:
    """A ball of radius 12 mm, brighter (or darker) than the ground of 100, off the middle of the grid."""
    axes = [(np.arange(n) - n / 2 + 0.3) * step for n, step in zip(shape, spacing, strict=True)]
    far = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    truth = far < BALL_MM
    grey = np.where(truth, inside, 100) + np.random.default_rng(seed).normal(0, noise, shape)
    return image_of(grey.astype(np.float32), spacing), truth


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Of two boolean masks."""
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
