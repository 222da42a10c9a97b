"""Masks of several readers of one image made into one."""

from collections.abc import Callable, Sequence

import numpy as np

from medseg.errors import LabelError

__all__ = ["CONSENSUS", "consensus_of", "majority", "staple"]


def consensus_of(
    masks: Sequence[np.ndarray], rule: str, ignore: int | None = None, *, stacked: bool = False
) -> np.ndarray:
    """The masks of several readers made into one by a rule of `CONSENSUS`.

    Args:
        masks: One a reader, shape (x, y[, z]), or with `stacked` (labels, x, y[, z]): each channel is decided alone.
        rule: "majority" or "staple".
        ignore: Value of voxels that a reader did not judge; what one of them ignores is ignored, and weighs nothing.
        stacked: Whether the first axis counts labels that overlap.
    """
    if stacked:
        return np.stack([consensus_of(channels, rule, ignore) for channels in zip(*masks, strict=True)])
    judged = np.ones(masks[0].shape, bool) if ignore is None else np.all([mask != ignore for mask in masks], axis=0)
    joined = np.full(masks[0].shape, 0 if ignore is None else ignore, np.result_type(*masks))
    if judged.any():
        joined[judged] = CONSENSUS[rule]([mask[judged] for mask in masks])
    return joined


def majority(masks: Sequence[np.ndarray]) -> np.ndarray:
    """The value that most readers gave each voxel; between equals the smaller one (0, background, first)."""
    values = np.unique(np.concatenate([np.unique(mask) for mask in masks]))
    best = np.zeros(masks[0].shape, np.uint16)
    winner = np.full(masks[0].shape, values[0], np.result_type(*masks))
    for value in values:
        votes = sum((mask == value).astype(np.uint16) for mask in masks)
        more = votes > best
        best[more], winner[more] = votes[more], value
    return winner


def staple(masks: Sequence[np.ndarray]) -> np.ndarray:
    """STAPLE: readers weighed by how well they agree with the consensus (Warfield et al. 2004; SimpleITK's).

    Voxels for which several values are equally likely get what most readers gave them.

    Raises:
        LabelError: The masks hold negative values, or some above 65534.
    """
    import SimpleITK as sitk  # noqa: N813 (its usual name)

    top, low = max(int(mask.max()) for mask in masks), min(int(mask.min()) for mask in masks)
    if low < 0 or top > np.iinfo(np.uint16).max - 1:
        raise LabelError("readers", f"label values from {low} to {top}", "Give values from 0 to 65534.")
    undecided = top + 1
    # It weighs voxels one by one, so that their places do not matter; SimpleITK has no images of one axis.
    images = [sitk.GetImageFromArray(mask.reshape(1, -1).astype(np.uint16)) for mask in masks]
    found = sitk.GetArrayFromImage(sitk.MultiLabelSTAPLE(images, undecided)).reshape(masks[0].shape)
    return np.where(found == undecided, majority(masks), found).astype(np.result_type(*masks))


CONSENSUS: dict[str, Callable[[Sequence[np.ndarray]], np.ndarray]] = {"majority": majority, "staple": staple}
