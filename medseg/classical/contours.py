"""Active contours by morphology: Chan and Vese's, which parts two means, and geodesic ones, which stop at edges."""

import numpy as np
from pydantic import Field

from medseg.classical.markers import restored
from medseg.classical.options import SidedOptions
from medseg.classical.prepared import Found, Prepared, shrunken
from medseg.classical.thresholds import FLAT

__all__ = ["ChanVese", "ContourOptions", "Geodesic", "chan_vese", "geodesic"]


class ContourOptions(SidedOptions):
    """How a contour starts and moves."""

    start: float | None = Field(
        None, gt=0, lt=100, description="Percentile from which on voxels start inside; Otsu's threshold where left out."
    )
    iterations: int = Field(30, ge=1, le=1000, description="How often the contour moves.")
    smoothness: int = Field(1, ge=0, le=4, description="How often it is smoothed at every move.")
    max_voxels: int = Field(
        1_000_000, ge=100, description="An image of more is done on a coarser grid with so many, and brought back."
    )


class ChanVese(ContourOptions):
    """Morphological Chan-Vese."""

    weight: float = Field(1.0, gt=0, description="Weight of the spread outside beside that inside: above 1 finds more.")


class Geodesic(ContourOptions):
    """Morphological geodesic active contours."""

    sigma_mm: float = Field(1.5, gt=0, description="Sigma of the Gaussian of the gradient; mm, or pixels.")
    alpha: float = Field(100.0, gt=0, description="How much an edge holds the contour back.")
    balloon: int = Field(0, ge=-1, le=1, description="Whether it swells (1), shrinks (-1) or neither where no edge is.")
    stop: float = Field(
        0.4, gt=0, lt=1, description="Percentile, as a share, of the edge image below which a balloon stops."
    )


def chan_vese(seen: Prepared, options: ChanVese) -> Found:
    """Two regions, each about its own mean (Chan 2001), by scikit-image's morphology (Márquez-Neila 2014).

    Curvature is counted in voxels, whatever the spacing.
    """
    from skimage.segmentation import morphological_chan_vese

    coarse = shrunken(seen, options.max_voxels)
    start, note = _start(coarse, options)
    if note:
        return Found(np.zeros(seen.values.shape, bool), notes=(note,))
    data = np.where(coarse.field, coarse.values, np.mean(coarse.counted[~start[coarse.field]])).astype(np.float32)
    inside = morphological_chan_vese(
        data / coarse.span,
        num_iter=options.iterations,
        init_level_set=start.astype(np.int8),
        smoothing=options.smoothness,
        lambda1=1.0,
        lambda2=options.weight,
    )
    share, told = restored(inside.astype(np.float32), seen, coarse)
    return Found(share >= 0.5, told=told)


def geodesic(seen: Prepared, options: Geodesic) -> Found:
    """A contour that is drawn to edges (Caselles 1997), by scikit-image's morphology (Márquez-Neila 2014).

    Curvature is counted in voxels, whatever the spacing; the edges' sigma is in mm.
    """
    from skimage.segmentation import morphological_geodesic_active_contour

    from medseg.classical.edges import gradient

    coarse = shrunken(seen, options.max_voxels)
    start, note = _start(coarse, options)
    if note:
        return Found(np.zeros(seen.values.shape, bool), notes=(note,))
    # As scikit-image's inverse_gaussian_gradient, with a sigma in mm.
    edges = 1 / np.sqrt(1 + options.alpha * gradient(coarse, options.sigma_mm) / coarse.span)
    inside = morphological_geodesic_active_contour(
        edges,
        num_iter=options.iterations,
        init_level_set=start.astype(np.int8),
        smoothing=options.smoothness,
        threshold=float(np.percentile(edges, 100 * options.stop)),
        balloon=options.balloon,
    )
    share, told = restored(inside.astype(np.float32), seen, coarse)
    return Found(share >= 0.5, told=told)


def _start(seen: Prepared, options: ContourOptions) -> tuple[np.ndarray, str]:
    """What starts inside, and why nothing does."""
    from skimage.filters import threshold_otsu

    if seen.flat:
        return np.zeros(seen.values.shape, bool), FLAT
    if options.start is None:
        level = float(threshold_otsu(seen.counted))
        inside = seen.values > level if options.side == "bright" else seen.values <= level
    else:
        inside = seen.towards(options.side) >= seen.percentile(options.start, options.side)
    inside &= seen.field
    return inside, "" if inside.any() and not inside[seen.field].all() else "no contour to start from"
