"""A trained network as a `Segmenter`."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Literal

import numpy as np
from lightning_fabric import Fabric
from torch import nn

from medseg.image import Image, Segmentation
from medseg.inference.postprocessing import postprocess
from medseg.inference.windows import window_logits
from medseg.io import read_image
from medseg.labels import Labels
from medseg.plan import Plan, Postprocessing
from medseg.transforms.prepare import prepare
from medseg.transforms.restore import restore

__all__ = ["NetworkSegmenter"]


@dataclass(frozen=True, eq=False)
class NetworkSegmenter:
    """A network with its plan: from an image to a mask on the image's own grid.

    Args:
        network: In eval mode, on Fabric's device.
        plan: What preprocessing and restoring need.
        fabric: Device and precision.
        crop: Look only at the box round the body; off in portable mode, which plain MONAI repeats exactly.
        hash: SHA-256 of the weights, for the record of a run.
        origin: What runs: the plan's network with its "weights", or the "exported program" of one whose code is not
            installed here.
    """

    network: nn.Module
    plan: Plan
    fabric: Fabric
    crop: bool = True
    hash: str = ""
    origin: Literal["weights", "exported program"] = "weights"
    labels: Labels = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", self.plan.label_set)

    @property
    def precision(self) -> str:
        """Lightning's name of the precision in which the network runs."""
        return str(self.fabric.strategy.precision.precision)

    def segment(self, image: Image | str | Path, *, probabilities: bool = False) -> Segmentation:
        """Segment an image, or the file or DICOM folder of one.

        Returns:
            The mask in file values on the image's own grid; with `probabilities`, of the foreground labels too.

        Raises:
            InputError: The image cannot be read, or its channels or dimensions are not the model's.
        """
        read = image if isinstance(image, Image) else read_image(image, options=self.plan.reading)
        prepared = prepare(read, self.plan, crop=self.crop)
        with self.fabric.autocast():
            logits = window_logits(self.network, self.fabric.to_device(prepared.voxels), self.plan)
        # The bundle in plain MONAI cannot clean masks, so that a portable one is not cleaned either.
        rules = self.plan.postprocessing if self.crop else Postprocessing()
        indices, shares = restore(
            logits,
            prepared.restoration,
            exclusive=self.labels.exclusive,
            probabilities=probabilities or bool(rules.threshold),
        )
        if rules != Postprocessing():
            indices = postprocess(indices, shares, self.labels, read.geometry, rules)
        mask = self.labels.from_indices(indices) if self.labels.exclusive else indices
        notes = (*read.notes, *prepared.notes, *self._doubts(read))
        return Segmentation(mask, read.geometry, self.labels, shares if probabilities else None, read, notes)

    def _doubts(self, image: Image) -> list[str]:
        """What makes the result less trustworthy, in numbers."""
        doubts = []
        if image.modality and self.plan.modality and image.modality != self.plan.modality:
            doubts.append(f"the image is {image.modality}, the model was trained on {self.plan.modality}")
        if image.voxels.min() == image.voxels.max():
            doubts.append("the image is constant")
        if not np.isfinite(image.voxels[0].reshape(-1)[::997]).all():
            doubts.append("non-finite voxels were taken as 0")
        if self.plan.spacing_mm and image.geometry.spacing_known:
            turn = image.geometry.to_canonical
            ratios = np.array(image.geometry.reoriented(turn).spacing_mm) / np.array(self.plan.spacing_mm)
            if ratios.max() > 4 or ratios.min() < 0.25:
                doubts.append(f"spacing is {np.round(ratios, 2).tolist()} times that of the training images")
        return doubts

    def _repr_html_(self) -> str:
        plan = self.plan
        return (
            f"<b>{escape(plan.title)}</b>: {escape(', '.join(self.labels.names))}; patch {plan.patch_size}, "
            f"{self.origin} {self.hash[:12]}"
        )
