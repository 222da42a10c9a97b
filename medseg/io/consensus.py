"""Masks of several readers of one image made into one."""

from collections.abc import Callable, Sequence

import numpy as np

from medseg.errors import LabelError

__all__ = ["CONSENSUS", "majority", "staple"]


def majority(masks: Sequence[np.ndarray]) -> np.ndarray:
    """The value that most readers gave each voxel; between equals the smaller one (0, background, first)."""
    values = np.unique(np.stack([np.unique(np.concatenate([np.unique(mask) for mask in masks]))]))
    best = np.zeros(masks[0].shape, np.uint8)
    winner = np.full(masks[0].shape, values[0], np.result_type(*masks))
    for value in values:
        votes = sum((mask == value).astype(np.uint8) for mask in masks)
        more = votes > best
        best[more], winner[more] = votes[more], value
    return winner


def staple(masks: Sequence[np.ndarray]) -> np.ndarray:
    """STAPLE: readers weighed by how well they agree with the consensus (Warfield et al. 2004; SimpleITK's).

    Voxels for which several values are equally likely get what most readers gave them.

    Raises:
        LabelError: The masks hold negative values, or above 65534.
    """
    import SimpleITK as sitk  # noqa: N813 (its usual name)

    top, low = max(int(mask.max()) for mask in masks), min(int(mask.min()) for mask in masks)
    if low < 0 or top > np.iinfo(np.uint16).max - 1:
        raise LabelError("readers", f"label values from {low} to {top}", "Give values from 0 to 65534.")
    undecided = top + 1
    images = [sitk.GetImageFromArray(np.ascontiguousarray(mask.astype(np.uint16))) for mask in masks]
    found = sitk.GetArrayFromImage(sitk.MultiLabelSTAPLE(images, undecided)).astype(np.result_type(*masks, np.uint8))
    return np.where(found == undecided, majority(masks), found).astype(masks[0].dtype)


CONSENSUS: dict[str, Callable[[Sequence[np.ndarray]], np.ndarray]] = {"majority": majority, "staple": staple}
