"""A training of nnU-Net v2 as a `Model`: what `nnUNetv2_predict` would answer, slab by slab."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medseg.image import Image, Segmentation
from medseg.inference.backends.backend import Backend
from medseg.inference.doubts import is_constant, missing_voxels
from medseg.inference.halving import Halving
from medseg.inference.memory import Footprint, fitting_batch, require_room
from medseg.inference.nnunet.described import Described
from medseg.inference.nnunet.planes import NnUNetPlanes
from medseg.inference.nnunet.preparing import Recipe, open_planes, spacing_of
from medseg.inference.nnunet.resampling import Resampling
from medseg.inference.nnunet.restoring import NnUNetRestorer, painted
from medseg.inference.nnunet.windows import SliceBySlice, nnunet_tiling, windows_at_once
from medseg.inference.streaming import Network, stream_logits
from medseg.inference.views import MirroredViews
from medseg.inference.windows import streaming_axis
from medseg.io import read_image
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.shares import kept_shares, opened_shares

__all__ = ["NnUNetSegmenter", "Training"]

_BODY = 5.0  # bytes a voxel while the holes of the body are filled: four masks, and the one that is kept
_FAR = 4.0  # times the spacing of the training, or its inverse, from which the user is told


@dataclass(frozen=True, eq=False)
class Training:
    """What a trainer folder says of its networks.

    Args:
        name: Of the trainer folder, such as "nnUNetTrainer__nnUNetPlans__3d_fullres".
        described: Its `dataset.json`.
        labels: As our labels.
        recipe: Of the preparation.
        restoring: Resampling of logits.
        patch: Of a window.
        mirroring: Axes of the patch along which training mirrored.
        configuration: Such as "3d_fullres".
        folds: Whose networks are averaged.
        checkpoint: Name of their files.
        hash: SHA-256 of the checkpoints; of several, of their hashes.
    """

    name: str
    described: Described
    labels: Labels
    recipe: Recipe
    restoring: Resampling
    patch: tuple[int, ...]
    mirroring: tuple[int, ...]
    configuration: str
    folds: tuple[str, ...]
    checkpoint: str
    hash: str


@dataclass(frozen=True, eq=False)
class NnUNetSegmenter:
    """Networks of nnU-Net with their preparation: from an image to a mask on the image's own grid.

    Args:
        backend: What computes the networks, the mean of the folds.
        training: What they were trained on.
        device: Where windows are cut.
        mirrored: Axes of the patch along which windows are mirrored, too.
        speed: As the user asked: "fast" does not mirror.
        window: Bytes that the networks hold for one window.
        max_memory: Bytes that all of a prediction may hold, as in `NetworkSegmenter`.
    """

    backend: Backend
    training: Training
    device: torch.device
    mirrored: tuple[int, ...] = ()
    speed: str = "normal"
    window: float = 0.0
    max_memory: int | None = None
    _halving: Halving = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_halving", Halving(self.backend))

    @property
    def labels(self) -> Labels:
        """Labels by nnU-Net's numbers, or regions, which overlap."""
        return self.training.labels

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of its images, in order."""
        return self.training.described.channels

    @property
    def reading(self) -> ReadOptions:
        """How files become the images that it was trained on: nnU-Net takes values as they are stored."""
        return ReadOptions(pet="stored")

    @property
    def hash(self) -> str:
        """SHA-256 of its checkpoints."""
        return self.training.hash

    @property
    def description(self) -> Mapping[str, Any]:
        """What it is, for the record of a run."""
        training, recipe = self.training, self.training.recipe
        return {
            "kind": "nnU-Net v2",
            "name": training.name,
            "configuration": training.configuration,
            "folds": list(training.folds),
            "checkpoint": training.checkpoint,
            "channels": list(self.channels),
            "labels": self.labels.to_config(),
            "patch_size": list(training.patch),
            "spacing": list(recipe.spacing),
            "normalisation": [rule.name for rule in recipe.rules],
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it is run here."""
        return {
            "backend": self.backend.name,
            "precision": self.backend.precision,
            "device": str(self.device),
            "speed": self.speed,
            "mirrored": list(self.mirrored),
            "max_memory": self.max_memory,
        }

    def segment(self, image: Image | str | Path, *, probabilities: bool | Path = False) -> Segmentation:
        """Segment an image, or the file or DICOM folder of one.

        Args:
            image: The image.
            probabilities: Also keep those of each label or region, in memory or in this .npy file.

        Returns:
            The mask on the image's own grid: nnU-Net's label values or, of regions, a channel each.

        Raises:
            InputError: The image cannot be read, its channels or dimensions are not the model's, or it needs more than
                `max_memory`.
            OutputError: The file of probabilities cannot be written.
        """
        read = image if isinstance(image, Image) else read_image(image, options=self.reading)
        require_room(read, self._footprint, self.max_memory, slabs=True)
        planes = open_planes(read, self.training.recipe)
        shape = (len(self.labels.names), *read.geometry.shape)
        with opened_shares(shape, probabilities) as shares:
            found = self._found(read, planes, shares)
        described = self.training.described
        if self.labels.exclusive:
            mask = self.labels.from_indices(found)
        else:
            mask = painted(found, described.regions_class_order or (), list(described.values.values()))
        empty = () if found.any() else ("nothing was found",)
        notes = (*read.notes, *planes.notes, *self._doubts(read), *empty)
        return Segmentation(mask, read.geometry, self.labels, kept_shares(shares, probabilities), read, notes)

    def _found(self, image: Image, planes: NnUNetPlanes, shares: np.ndarray | None) -> np.ndarray:
        training, turn = self.training, planes.restoration.turn
        native = tuple(spacing_of(image, training.recipe.reader)[axis] for axis in turn.permutation)
        tiling = nnunet_tiling(planes.shape, training.patch, windows_at_once(training.patch))
        batch = fitting_batch(image, self._footprint, tiling, planes.shape, self.max_memory, slabs=True)
        tiling = replace(tiling, batch=batch)
        axis = streaming_axis(planes.shape, tiling.patch)
        restorer = NnUNetRestorer(
            planes.restoration,
            training.described.outputs,
            axis,
            training.restoring.orders(training.recipe.target(native), native),
            exclusive=self.labels.exclusive,
            by_torch=training.restoring.torch,
            shares=shares,
        )
        network = self._network(slices=len(planes.shape) > len(training.patch))
        for slab in stream_logits(network, planes, tiling, axis, device=self.device):
            restorer.add(slab)
        return restorer.finish()

    @property
    def _footprint(self) -> Footprint:
        masked = any(rule.masked for rule in self.training.recipe.rules)
        return Footprint(self.training.described.outputs, self.labels.exclusive, self.window, _BODY if masked else 0.0)

    def _network(self, *, slices: bool) -> Network:
        mirrored: Network = MirroredViews(self._halving, self.mirrored) if self.mirrored else self._halving
        return SliceBySlice(mirrored) if slices else mirrored

    def _doubts(self, image: Image) -> tuple[str, ...]:
        """What makes the result less trustworthy, in numbers."""
        told = ["the image is constant"] if is_constant(image) else []
        if missing := missing_voxels(image):
            told.append(f"{missing} non-finite voxels ({missing / image.voxels.size:.2%}) were taken as 0")
        recipe = self.training.recipe
        axes = recipe.turn(image).permutation
        native = tuple(spacing_of(image, recipe.reader)[axis] for axis in axes)
        ratios = np.array(native) / np.array(recipe.target(native))
        if ratios.max() > _FAR or ratios.min() < 1 / _FAR:
            told.append(f"spacing is {np.round(ratios, 2).tolist()} times that of the training images")
        return tuple(told)

    def _repr_html_(self) -> str:
        training = self.training
        return (
            f"<b>nnU-Net {escape(training.configuration)}</b>: {escape(', '.join(self.labels.names))}; "
            f"patch {training.patch}, folds {', '.join(training.folds)}, weights {self.hash[:12]}"
        )
