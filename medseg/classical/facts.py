"""What labels look like in the training cases: their intensities among those of the image, and their size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medseg.errors import DatasetError
from medseg.image import Image

__all__ = ["QUANTILES", "CaseFacts", "LabelFacts", "case_facts", "label_facts"]

QUANTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """Of one case.

    Args:
        step: Length of a voxel along each axis: mm, or 1 where the spacing is unknown.
        values: By label: `QUANTILES` of its voxels in each channel, shape (channels, quantiles).
        ranks: By label: at which percentiles of the whole image these values lie, same shape.
        radii: By label: radius of the ball (disc) of its size, in the unit of `step`.
    """

    step: tuple[float, ...]
    values: Mapping[str, np.ndarray]
    ranks: Mapping[str, np.ndarray]
    radii: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class LabelFacts:
    """Of one label: medians over the cases that show it.

    Args:
        values: `QUANTILES` of its voxels, by channel, shape (channels, quantiles).
        ranks: At which percentiles of the image they lie, same shape.
        radius: Of the ball (disc) of its size: mm, or pixels where the spacing is unknown.
        step: Least length of a voxel, in that unit.
        cases: How many cases show it.
    """

    values: np.ndarray
    ranks: np.ndarray
    radius: float
    step: float
    cases: int

    @property
    def dark(self) -> tuple[bool, ...]:
        """Whether its median is below that of the image, by channel."""
        return tuple(bool(rank < 50) for rank in self.ranks[:, QUANTILES.index(50)])


def case_facts(image: Image, masks: Mapping[str, np.ndarray]) -> CaseFacts:
    """Facts of the labels that a case shows.

    Args:
        image: Its voxels.
        masks: Boolean, shape of the grid, by label.
    """
    geometry = image.geometry
    step = geometry.step if geometry.spacing_known else (1.0,) * geometry.ndim
    size = float(np.prod(step))
    sorted_channels = [np.sort(channel[np.isfinite(channel)]) for channel in image.voxels]
    values: dict[str, np.ndarray] = {}
    ranks: dict[str, np.ndarray] = {}
    radii: dict[str, float] = {}
    for name, mask in masks.items():
        inside = [channel[mask & np.isfinite(channel)] for channel in image.voxels]
        if any(not one.size for one in inside):
            continue
        values[name] = np.stack([np.percentile(one, QUANTILES) for one in inside])
        ranks[name] = np.stack([_ranks(own, all_) for own, all_ in zip(values[name], sorted_channels, strict=True)])
        volume = np.count_nonzero(mask) * size
        radii[name] = float((volume / np.pi) ** 0.5 if geometry.ndim == 2 else (0.75 * volume / np.pi) ** (1 / 3))
    return CaseFacts(step, values, ranks, radii)


def label_facts(cases: Sequence[CaseFacts], label: str) -> LabelFacts:
    """What the cases that show a label have in common.

    Raises:
        DatasetError: None shows it, or their images differ in the number of channels.
    """
    showing = [one for one in cases if label in one.values]
    if not showing:
        mend = "Take it out of `labels`, or draw the split with another `seed` or `stratify`."
        raise DatasetError("labels", f"{label} in none of the {len(cases)} training cases", mend)
    if len({one.values[label].shape for one in showing}) > 1:
        raise DatasetError("training part", "cases differ in their number of channels", "Fit on one kind of image.")
    values, ranks = (
        np.median(np.stack([getattr(one, kind)[label] for one in showing]), axis=0) for kind in ("values", "ranks")
    )
    step = float(np.median([min(one.step) for one in showing]))
    return LabelFacts(values, ranks, float(np.median([one.radii[label] for one in showing])), step, len(showing))


def _ranks(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Percentiles at which values lie among sorted ones; in the middle of equal ones."""
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray(50 * (below + upto) / max(len(ordered), 1))
