"""What makes a result less trustworthy, in words and numbers, seen before and after the network."""

import numpy as np

from medseg.image import Image
from medseg.plan import Plan

__all__ = ["doubts", "is_constant", "missing_voxels"]

_FAR = 4  # times the spacing trained on, or a part of it, from which it is told
_CHUNK = 1 << 24  # voxels looked at at once


def doubts(image: Image, plan: Plan) -> list[str]:
    """What the user should know of an image before its result is believed."""
    told = []
    if image.modality and plan.modality and image.modality != plan.modality:
        told.append(f"the image is {image.modality}, the model was trained on {plan.modality}")
    if is_constant(image):
        told.append("the image is constant")
    missing = missing_voxels(image)
    if missing:
        told.append(f"{missing} non-finite voxels ({missing / image.voxels.size:.2%}) were taken as 0")
    return [*told, *_of_extent(image, plan), *_of_spacing(image, plan)]


def is_constant(image: Image) -> bool:
    """Whether no channel differs anywhere from one value; voxels that are not finite aside."""
    return all(_is_flat(channel) for channel in image.voxels)


def missing_voxels(image: Image) -> int:
    """Number of voxels that are infinite or not a number."""
    if image.voxels.dtype.kind != "f":
        return 0
    return sum(int(np.count_nonzero(~np.isfinite(piece))) for piece in _pieces(image.voxels))


def _of_extent(image: Image, plan: Plan) -> list[str]:
    """One slice for a network of volumes, or less than half of what it sees at once."""
    if plan.dims == 3 and min(image.geometry.shape) == 1:
        return ["the image is a single slice, the model was trained on volumes"]
    if plan.spacing_mm is not None and not image.geometry.spacing_known:
        return []
    shape = plan.working_shape(image.geometry.reoriented(image.geometry.to_canonical))
    if any(2 * n < side for n, side in zip(shape, plan.patch_size, strict=True)):
        seen, whole = ("×".join(map(str, sides)) for sides in (shape, plan.patch_size))
        return [f"the image is {seen} on the grid of the model, which sees {whole} at once: the rest was filled with 0"]
    return []


def _of_spacing(image: Image, plan: Plan) -> list[str]:
    if not plan.spacing_mm or not image.geometry.spacing_known:
        return []
    grid = image.geometry.reoriented(image.geometry.to_canonical)
    ratios = np.array(grid.spacing_mm) / np.array(plan.spacing_mm)
    if ratios.max() <= _FAR and ratios.min() >= 1 / _FAR:
        return []
    return [f"spacing is {np.round(ratios, 2).tolist()} times that of the training images"]


def _is_flat(channel: np.ndarray) -> bool:
    low, high = np.inf, -np.inf
    for piece in _pieces(channel):
        known = piece[np.isfinite(piece)] if piece.dtype.kind == "f" else piece
        if known.size:
            low, high = min(low, known.min()), max(high, known.max())
        if low < high:
            return False
    return True


def _pieces(voxels: np.ndarray) -> list[np.ndarray]:
    """Views that hold some 16 million voxels each, cut along the axis that is slowest in memory."""
    axis = int(np.argmax(np.abs(voxels.strides)))
    return np.array_split(voxels, min(voxels.shape[axis], -(-voxels.size // _CHUNK)), axis=axis)
