"""Collimators shown at a radiograph's edges."""

from dataclasses import dataclass

import numpy as np

from medseg.labels import IGNORE_INDEX

__all__ = ["Collimation"]


@dataclass(frozen=True, slots=True)
class Collimation:
    """An even border along the edges of a patch.

    What lies under it cannot be seen: labelled pixels are ignored there, background stays background.

    Args:
        margins: Pixels covered at the beginning and at the end of each axis.
        bright: Whether the border is white, as in a negative, and not black.
    """

    margins: tuple[tuple[int, int], ...]
    bright: bool = False

    def apply(self, image: np.ndarray, targets: np.ndarray) -> None:
        """Cover image (C, *patch) and targets ([labels,] *patch) in place."""
        greys = [channel.max() if self.bright else channel.min() for channel in image]
        for axis, (first, last) in enumerate(self.margins):
            n = image.shape[axis + 1]
            for covered in (slice(0, first), slice(n - last, n)):
                strip = (..., covered, *[slice(None)] * (len(self.margins) - 1 - axis))
                for channel, grey in zip(image, greys, strict=True):
                    channel[strip] = grey
                hidden = targets[strip]
                hidden[hidden > 0] = IGNORE_INDEX

    def __str__(self) -> str:
        return "collimated"
