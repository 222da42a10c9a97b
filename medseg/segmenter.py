"""What everything that segments has in common: a network, an ensemble, a bundle or a threshold is a `Segmenter`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["Model", "Segmenter"]


@runtime_checkable
class Segmenter(Protocol):
    """Something that turns an image into a mask on that image's own grid.

    The contract:

    * The mask has exactly the shape and the geometry of the image, whatever grid was used inside.
    * Its values are file values of `labels`, and nothing else.
    * The image is not changed, and the same image gives the same mask.
    * An image that cannot be segmented (wrong channels, spacing unknown where it is needed) raises an
      `InputError` that names it; an image with nothing to find gives an empty mask.
    * What the user should know about the result goes into the segmentation's `notes`.
    """

    @property
    def labels(self) -> Labels:
        """What the masks can contain."""

    def segment(self, image: Image, *, probabilities: bool | Path = False) -> Segmentation:
        """Segment one image.

        Args:
            image: Voxels of shape (C, x, y[, z]) with their geometry.
            probabilities: Also keep those of the foreground labels, shape (labels, x, y[, z]): in memory, or float16 in
                this .npy file, which is mapped.

        Returns:
            The mask on the image's native grid.
        """


@runtime_checkable
class Model(Segmenter, Protocol):
    """A segmenter that came from a folder or file: what a batch needs to know of it, whoever trained it."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of its images, in order."""

    @property
    def reading(self) -> ReadOptions:
        """How files become the images that it was trained on."""

    @property
    def hash(self) -> str:
        """SHA-256 of its weights."""

    @property
    def description(self) -> Mapping[str, Any]:
        """What it is (its plan), as JSON can hold it, for the record of a run."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it is run here (precision, backend, windows), as JSON can hold it, for the record of a run."""
