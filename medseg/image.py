"""Voxels with their grid: an `Image`, and a `Segmentation` on the native grid of its image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medseg.errors import GeometryError
from medseg.geometry import Geometry
from medseg.labels import Labels
from medseg.picture import html_figure

__all__ = ["Image", "Segmentation"]


@dataclass(frozen=True, eq=False)
class Image:
    """Voxels of one study, channel first.

    Args:
        voxels: Shape (C, x, y[, z]), in their stored type; HU for CT.
        geometry: The grid that all channels share.
        modality: DICOM's word ("CT", "MR", "PT", "MG", "DX", ...), empty where unknown.
        source: The file or folder it was read from.
        header: What of its source a written mask must carry over: nibabel's header of a NIfTI file, the `Instances` of
            DICOM.
        notes: Warnings that arose while reading.
        unit: What the values are in ("HU", "SUVbw", "Bq/ml"), empty where unknown.
        facts: What the header says of it by name: "laterality", "view", "burned_in_annotation", ...

    Raises:
        GeometryError: The voxels are not of the geometry's shape.
    """

    voxels: np.ndarray
    geometry: Geometry
    modality: str = ""
    source: Path | None = None
    header: Any = None
    notes: tuple[str, ...] = ()
    unit: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.voxels.ndim != self.geometry.ndim + 1 or self.voxels.shape[1:] != self.geometry.shape:
            raise GeometryError(
                self.source or "image",
                f"voxels of shape {self.voxels.shape} on a grid of {self.geometry.shape}",
                "Put the channel axis first: voxels[np.newaxis].",
                "(channels, *grid)",
            )

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.voxels.shape[0]

    def __repr__(self) -> str:
        return f"Image({self.channels} channel(s) of {self.voxels.dtype}, {self.geometry.describe()})"

    def _repr_html_(self) -> str:
        return html_figure(self.voxels[0], self.geometry, f"{self.geometry.describe()}, {self.channels} channel(s)")


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A label map on the native grid of its image.

    Args:
        mask: File values, shape (x, y[, z]); of labels that may overlap, one binary channel a label, shape
            (labels, x, y[, z]).
        geometry: The image's grid.
        labels: What the values mean.
        probabilities: Of the foreground labels, shape (labels, x, y[, z]), where they were asked for.
        image: The image it was made from; its header goes into a written mask.
        notes: Warnings that arose on the way.
        facts: What else is known of how the mask came about, by names that a table may have as columns.
    """

    mask: np.ndarray
    geometry: Geometry
    labels: Labels
    probabilities: np.ndarray | None = None
    image: Image | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = self.geometry.shape if self.labels.exclusive else (len(self.labels.labels), *self.geometry.shape)
        if self.mask.shape != wanted:
            raise GeometryError(
                "segmentation",
                f"a mask of shape {self.mask.shape} on a grid of {self.geometry.shape}",
                "A mask lies on its image's own grid: resample it there first.",
            )

    def of(self, name: str) -> np.ndarray:
        """Boolean mask of one label, by name."""
        index = self.labels.names.index(name)
        if not self.labels.exclusive:
            return self.mask[index] != 0
        first, *others = self.labels.labels[index].values
        return np.isin(self.mask, (first, *others)) if others else self.mask == first  # many times quicker

    def __repr__(self) -> str:
        return f"Segmentation({', '.join(self.labels.names)}; {self.geometry.describe()})"

    def _repr_html_(self) -> str:
        shown = self.mask if self.image is None else self.image.voxels[0]
        caption = f"{', '.join(self.labels.names)} on {self.geometry.describe()}"
        return html_figure(shown, self.geometry, caption, self.drawable(), self.labels)

    def drawable(self, where: str = "mask") -> np.ndarray:
        """Class indices (uint8) to draw, shape of the grid; of labels that overlap, the smaller lies on the larger.

        Where the values are the indices, that is the mask itself, since it may be large.

        Raises:
            LabelError: The mask holds undeclared values; `where` is named.
        """
        if self.labels.exclusive:
            alike = self.mask.dtype == np.uint8 and self.labels.written_values == tuple(range(self.labels.classes))
            if alike and self.mask.max(initial=0) < self.labels.classes:
                return self.mask
            return self.labels.to_indices(self.mask, where)
        indices = np.zeros(self.geometry.shape, np.uint8)
        sizes = [np.count_nonzero(channel) for channel in self.mask]
        for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
            indices[self.mask[place] != 0] = place + 1
        return indices
