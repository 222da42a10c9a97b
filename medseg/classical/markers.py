"""From markers to a whole mask: watershed of the gradient, and the random walker."""

import warnings

import numpy as np
from pydantic import Field, model_validator
from scipy import ndimage

from medseg.classical.edges import gradient
from medseg.classical.options import SidedOptions
from medseg.classical.prepared import Found, Prepared, shrunken
from medseg.classical.thresholds import FLAT

__all__ = ["MarkerOptions", "RandomWalker", "Watershed", "random_walker", "restored", "watershed"]

_TOLERANCE = 1e-6  # of the equations' residue; a coarser one gives probabilities beyond 0 and 1
_BEYOND = 0.01  # how far they may be beyond before it is told


class MarkerOptions(SidedOptions):
    """Which voxels are sure."""

    inside: float = Field(
        95.0, gt=0, le=100, description="Percentile from which on voxels surely belong to what is sought."
    )
    outside: float = Field(70.0, ge=0, lt=100, description="Percentile up to which voxels surely do not.")

    @model_validator(mode="after")
    def _a_gap(self) -> "MarkerOptions":
        if self.outside >= self.inside:
            raise ValueError(f"outside={self.outside:g} leaves nothing to decide below inside={self.inside:g}")
        return self


class Watershed(MarkerOptions):
    """Watershed with markers."""

    sigma_mm: float = Field(1.0, gt=0, description="Sigma of the Gaussian of the gradient, in mm or pixels.")


class RandomWalker(MarkerOptions):
    """The random walker."""

    beta: float = Field(130.0, gt=0, description="How hard it is to walk across an edge.")
    max_voxels: int = Field(
        100_000, ge=100, description="An image of more is done on a coarser grid with so many, and brought back."
    )


def watershed(seen: Prepared, options: Watershed) -> Found:
    """The basins of the gradient that are flooded from the sure voxels (Beucher 1979, Meyer 1994), by scikit-image."""
    from skimage.segmentation import watershed as flooded

    marks, note = _marks(seen, options)
    if note:
        return Found(np.zeros(seen.values.shape, bool), notes=(note,))
    return Found(flooded(gradient(seen, options.sigma_mm), np.maximum(marks, 0), mask=seen.field) == 1)


def random_walker(seen: Prepared, options: RandomWalker) -> Found:
    """Voxels whence a walker reaches sure inside sooner than sure outside (Grady 2006), by scikit-image.

    The probability is that of reaching it first; steps are weighed by the spacing along each axis.
    """
    coarse = shrunken(seen, options.max_voxels)
    marks, note = _marks(coarse, options)
    if note:
        return Found(np.zeros(seen.values.shape, bool), notes=(note,))
    decided = _without_islands(marks)
    reached = (decided == 1).astype(np.float32)
    doubts: tuple[str, ...] = ()
    if (decided == 0).any():
        reached, doubts = _walked(coarse, decided, options.beta)
    share, told = restored(reached * coarse.field, seen, coarse)
    return Found(share >= 0.5, share * seen.field, doubts, told)


def _walked(seen: Prepared, marks: np.ndarray, beta: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Probability of reaching mark 1 before mark 2, float32, and what the solver says against itself."""
    from skimage.segmentation import random_walker as walked

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        shares = walked(
            # Differences count as shares of the image's range, so that beta means the same for every image.
            seen.values / seen.span,
            marks,
            beta=beta,
            mode="cg_j",
            tol=_TOLERANCE,
            prob_tol=_BEYOND,
            spacing=np.divide(seen.step, min(seen.step)),
            return_full_prob=True,
        )
    doubts = tuple(dict.fromkeys(f"random walker: {warning.message}" for warning in caught))
    return np.clip(shares[0], 0, 1).astype(np.float32), doubts


def restored(share: np.ndarray, seen: Prepared, coarse: Prepared) -> tuple[np.ndarray, tuple[str, ...]]:
    """Shares of the coarser grid on the native one, linearly, and the words that say so."""
    if coarse is seen:
        return share, ()
    from skimage.transform import resize

    shapes = ["×".join(map(str, one.values.shape)) for one in (coarse, seen)]
    native = resize(share.astype(np.float32), seen.values.shape, order=1, anti_aliasing=False, mode="edge")
    return np.asarray(native, np.float32), (f"done on a grid of {shapes[0]} and brought back to {shapes[1]}",)


def _marks(seen: Prepared, options: MarkerOptions) -> tuple[np.ndarray, str]:
    """1 where surely inside, 2 where surely outside, -1 where nothing counts; and why there are none."""
    marks = np.zeros(seen.values.shape, np.int32)
    if seen.flat:
        return marks, FLAT
    towards = seen.towards(options.side)
    marks[towards <= seen.percentile(options.outside, options.side)] = 2
    marks[towards >= seen.percentile(options.inside, options.side)] = 1
    marks[~seen.field] = -1
    lacking = [name for name, mark in (("inside", 1), ("outside", 2)) if not (marks == mark).any()]
    return marks, f"no voxel is surely {' or '.join(lacking)}" if lacking else ""


def _without_islands(marks: np.ndarray) -> np.ndarray:
    """The same, with unsure pieces that touch no sure voxel taken for outside: no walker leaves them."""
    pieces, count = ndimage.label(marks == 0)
    if not count:
        return marks
    touched = np.unique(pieces[ndimage.binary_dilation(marks > 0) & (marks == 0)])
    return np.where((marks == 0) & ~np.isin(pieces, touched), 2, marks).astype(np.int32)
