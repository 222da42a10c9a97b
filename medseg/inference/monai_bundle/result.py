"""What a bundle's postprocessing leaves, as a mask in file values on the grid of its image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from medseg.errors import GeometryError, LabelError
from medseg.geometry import Geometry
from medseg.labels import Labels
from medseg.resample import resample_labels

__all__ = ["mask_of"]

_SAME_GRID = 0.01  # of the smallest step
_WHOLE = 1e-3
_MEND = 'Say in its configs/metadata.json what they are: "label_values": {"NAME": VALUE}.'


def mask_of(
    results: Mapping[str, Any], labels: Labels, native: Geometry, outputs: int, where: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The mask, and what should be known of it.

    Args:
        results: What the savers would have written by their keys, each (channels, *grid), and the network's `image`.
        labels: What the values, or the channels, mean.
        native: The image's grid.
        outputs: How many channels the network answers with.
        where: The bundle, for messages.

    Returns:
        File values of the native shape, or (labels, *native) of labels that may overlap; and notes.

    Raises:
        GeometryError: It is on another grid, and its place is doubtful.
        LabelError: Values or channels are not those of the labels.
    """
    tensors = [torch.as_tensor(value) for key, value in results.items() if key != "image"]
    if any(tensor.ndim != native.ndim + 1 for tensor in tensors):
        found = f"answers with shape {tuple(tensors[0].shape)}"
        mend = "Its postprocessing must leave what SaveImaged takes."
        raise GeometryError(where, found, mend, f"channels and {native.ndim} axes")
    grids = [_grid(tensor, results["image"], native, where) for tensor in tensors]
    if any(not grid.same_as(grids[0]) for grid in grids):
        raise GeometryError(where, "answers on several grids", "Let its postprocessing undo its preprocessing.")
    channels = np.concatenate([_plain(tensor) for tensor in tensors])
    mask = _labelled(channels, labels, outputs, where)
    if grids[0] is native:
        return mask, ()
    note = f"the bundle answers on another grid ({grids[0].describe()}), from which its mask was resampled"
    return resample_labels(mask, grids[0], native, labels), (note,)


def _plain(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().as_subclass(torch.Tensor).cpu().float().numpy()


def _grid(result: torch.Tensor, seen: Any, native: Geometry, where: Path) -> Geometry:
    """The grid of a result: the image's own, or the one that the network saw."""
    shape = tuple(result.shape[1:])
    if native.ndim == 2 and shape == native.shape:
        return native
    own = _geometry(result) if native.ndim == 3 else None
    network = _geometry(seen) if native.ndim == 3 else None
    if own is not None and _same(own, native):
        return native
    # Of a tensor that lost its affine nothing is known but that a network answers on the grid that it is given.
    if network is not None and network.shape == shape and (own is None or _same(own, network)):
        return native if _same(network, native) else network
    found = f"answers on a grid of {shape}{' that has no affine' if own is None else ''}"
    mend = "Where such a mask belongs is doubtful: let its postprocessing undo its preprocessing (Invertd)."
    raise GeometryError(where, found, mend, f"the image's, {native.describe()}")


def _geometry(tensor: Any) -> Geometry | None:
    if not isinstance(tensor, MetaTensor):
        return None
    return Geometry(tuple(tensor.shape[1:]), tensor.affine.cpu().double().numpy())


def _same(one: Geometry, other: Geometry) -> bool:
    return one.same_as(other, _SAME_GRID * min(other.step))


def _labelled(channels: np.ndarray, labels: Labels, outputs: int, where: Path) -> np.ndarray:
    """Channels as file values, or as one binary channel a label."""
    if not labels.exclusive and len(channels) == len(labels.names):
        return (_shares(channels, where) >= 0.5).astype(np.uint8)
    if labels.exclusive and len(channels) == 1:
        return _label_map(channels[0], labels, where)
    if labels.exclusive and len(channels) == outputs == labels.classes:
        return labels.from_indices(channels.argmax(0).astype(np.uint8))
    kind = "" if labels.exclusive else " that may overlap"
    found = f"answers with {len(channels)} channel(s) for {len(labels.names)} label(s){kind}"
    raise LabelError(where, found, _MEND)


def _label_map(values: np.ndarray, labels: Labels, where: Path) -> np.ndarray:
    if len(labels.names) == 1 and np.abs(values - np.rint(values)).max(initial=0) > _WHOLE:
        return labels.from_indices((_shares(values, where) >= 0.5).astype(np.uint8))
    known = labels.file_values
    unknown = [v for v in np.unique(values).tolist() if round(v) not in known or abs(v - round(v)) > _WHOLE]
    if unknown:
        found = f"answers with values {', '.join(f'{value:g}' for value in unknown[:8])}"
        raise LabelError(where, found, _MEND, f"only {', '.join(map(str, known))}")
    return labels.from_indices(labels.to_indices(np.rint(values).astype(np.int32)))


def _shares(values: np.ndarray, where: Path) -> np.ndarray:
    """Values that are probabilities, or 0 and 1."""
    if values.min(initial=0) < -_WHOLE or values.max(initial=1) > 1 + _WHOLE:
        mend = "Let its postprocessing end in Activationsd and AsDiscreted."
        raise LabelError(where, f"answers with values up to {values.max():g}", mend, "probabilities, or 0 and 1")
    return values
