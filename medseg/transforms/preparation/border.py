"""Bright film edges and white frames, found from the image's edge inwards."""

from typing import Annotated

import numpy as np
from monai.transforms import Transform
from monai.utils import TransformBackends
from pydantic import Field, validate_call

from medseg.transforms.preparation.body import otsu_threshold
from medseg.transforms.preparation.channels import Pixels, each_channel

__all__ = ["RemoveBorder"]

_HALO = 0.003  # of the side: a film edge fades over this width
_WHITE = 0.97  # of the range: a frame is drawn in white
_DROP = 0.2  # of the range: how much darker it must be behind a border than in it


class RemoveBorder(Transform):
    """Bright lines along the edges of the film become background (the channel's minimum); no pixel moves.

    A line is bright where nearly all of it, between the first and the last pixel that is not black, is above Otsu's
    threshold (a film edge) or white (a frame). Bright lines are a border only where they end within `depth`, and
    what follows is much darker: a chest wall that is bright from top to bottom goes on, and is left alone.

    Args:
        depth: How far inwards a border may reach, share of the side.
        share: Share of a line that has to be bright.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - as MONAI declares it

    @validate_call
    def __init__(
        self,
        depth: Annotated[float, Field(gt=0, le=0.25)] = 0.05,
        share: Annotated[float, Field(gt=0.5, le=1)] = 0.9,
    ) -> None:
        self.depth, self.share = depth, share

    def __call__(self, img: Pixels) -> Pixels:
        """An image of shape (C, x, y[, z]) without its border; float32."""
        return each_channel(img, self._cleaned)

    def _cleaned(self, pixels: np.ndarray) -> np.ndarray:
        low, high = float(pixels.min()), float(pixels.max())
        threshold = otsu_threshold(pixels)
        if threshold is None:
            return pixels
        cleaned, film = pixels.copy(), pixels > low + 0.02 * (high - low)
        for level in (low + _WHITE * (high - low), threshold):
            for axis in range(2):
                for flip in (False, True):
                    lines, found, target = (_lines(array, axis, flip) for array in (pixels, film, cleaned))
                    width = self._width(lines, found, level, _DROP * (high - low))
                    target[:width] = low
        return cleaned

    def _width(self, lines: np.ndarray, film: np.ndarray, level: float, drop: float) -> int:
        """Lines from the first one on that are black or border; 0 where there is no border."""
        across = np.flatnonzero(film.any(axis=0).reshape(-1))
        seen = lines.reshape(len(lines), -1)[:, across[0] : across[-1] + 1]
        start = int(np.argmax(film.reshape(len(film), -1).any(axis=1)))  # black padding outside the film
        limit, halo = round(self.depth * len(lines)), round(_HALO * len(lines))
        shares = (seen[start : start + limit + 1] > level).mean(axis=1)
        width = int(np.argmax(shares < self.share)) if (shares < self.share).any() else 0
        behind = seen[start + width + halo + 1 :][: halo + 1]
        if width == 0 or behind.size == 0:
            return 0
        darker = float(np.median(seen[start : start + width]) - np.median(behind))
        return start + width + halo if darker >= drop else 0


def _lines(array: np.ndarray, axis: int, flip: bool) -> np.ndarray:
    """The array with an axis first, from either end; a view."""
    moved = np.moveaxis(array, axis, 0)
    return moved[::-1] if flip else moved
