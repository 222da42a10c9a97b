"""An image in figures: its intensities, a hash of its content and a small picture of it."""

import hashlib
from collections.abc import Iterator

import numpy as np

from medseg.case import Case
from medseg.datasets.inspection.facts import PERCENTILES, CaseFacts, Intensities
from medseg.datasets.inspection.findings import Finding
from medseg.datasets.inspection.likeness import descriptor
from medseg.datasets.inspection.tally import tallied
from medseg.image import Image

__all__ = ["described", "digest", "image_findings", "intensities"]

_THINNED = 200_000  # voxels that percentiles and histograms are taken from
_BINS = 64
_TALLY = 65535  # greatest range of whole numbers that are counted


def described(case: Case, image: Image) -> CaseFacts:
    """Facts of a case whose image was read, without its mask."""
    seen = tuple(intensities(channel) for channel in image.voxels)
    flat = all(one.minimum == one.maximum or one.minimum != one.minimum for one in seen)
    return CaseFacts(
        case,
        geometry=image.geometry,
        dtype=str(image.voxels.dtype),
        channels=image.channels,
        modality=image.modality,
        unit=image.unit,
        facts=dict(image.facts),
        notes=image.notes,
        intensities=seen,
        digest="" if flat else digest(image),
        descriptor=None if flat else descriptor(image),
    )


def intensities(channel: np.ndarray) -> Intensities:
    """The figures of one channel, shape (x, y[, z])."""
    flat = channel.ravel(order="K")
    nonfinite = 0
    if flat.dtype.kind == "f":
        finite = np.isfinite(flat)
        nonfinite = flat.size - int(np.count_nonzero(finite))
        flat = flat[finite] if nonfinite else flat
    if flat.size == 0:
        nothing = float("nan")
        figures = dict.fromkeys(PERCENTILES, nothing)
        return Intensities(nothing, nothing, nothing, nothing, figures, nonfinite, (0,) * _BINS)
    low, high = float(flat.min()), float(flat.max())
    thinned = flat[:: max(1, flat.size // _THINNED)]
    values, counts = _in_order(thinned, low, high)
    figures = dict(zip(PERCENTILES, _percentiles(values, counts), strict=True))
    middle = float(np.average(values, weights=counts))
    mean = middle if thinned.size == flat.size else float(flat.mean(dtype=np.float64))
    spread = values - middle
    sd = float(np.sqrt(np.average(spread**2, weights=counts)))
    return Intensities(low, high, mean, sd, figures, nonfinite, _histogram(values, counts, low, high))


def _in_order(thinned: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray | None]:
    """Values in order and how often each occurs (`None`: once)."""
    if thinned.dtype.kind not in "iu" or max(high, high - low) > _TALLY:
        return np.sort(thinned.astype(np.float64)), None
    values, counts = tallied(thinned, int(low))
    return values.astype(np.float64), counts


def _histogram(values: np.ndarray, counts: np.ndarray | None, low: float, high: float) -> tuple[int, ...]:
    """Counts in `_BINS` equal parts of the range, of values in order."""
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    ends = np.searchsorted(values, edges[1:-1])  # a value on an edge belongs above it
    before = np.concatenate([[0], np.arange(1, len(values) + 1) if counts is None else np.cumsum(counts)])
    found: list[int] = np.diff(before[ends], prepend=0, append=before[-1]).tolist()
    return tuple(found)


def _percentiles(values: np.ndarray, counts: np.ndarray | None) -> list[float]:
    """`PERCENTILES` with linear interpolation, of values in order that occur so often."""
    last = len(values) if counts is None else int(counts.sum())
    places = np.array(PERCENTILES) / 100 * (last - 1)
    whole = np.floor(places).astype(int)
    ends = np.arange(1, last + 1) if counts is None else np.cumsum(counts)
    below, above = (values[np.searchsorted(ends, np.minimum(at, last - 1), "right")] for at in (whole, whole + 1))
    found: list[float] = (below + (places - whole) * (above - below)).tolist()
    return found


def digest(image: Image) -> str:
    """A hash of the values in canonical order, whatever type or order of axes they are stored in."""
    turned = image.geometry.to_canonical.apply(image.voxels)
    plain = _smallest(turned)
    content = hashlib.sha256(f"{plain.shape} {plain.dtype}".encode())  # processors have instructions for this one
    content.update(np.ascontiguousarray(plain.T).data)  # files hold x fastest, so that nothing is copied
    return content.hexdigest()


def image_findings(seen: CaseFacts) -> Iterator[Finding]:
    """What is wrong with the intensities of a case."""
    for place, one in enumerate(seen.intensities):
        if one.nonfinite:
            text = f"channel {place} holds {one.nonfinite} voxels that are NaN or infinite"
            yield Finding("nonfinite", text, (seen.case.id,), mend="Export the image again, or take it out.")
        if one.minimum == one.maximum:
            text = f"channel {place} is constant ({one.minimum:g} throughout)"
            yield Finding("constant", text, (seen.case.id,), mend="Export the image again, or take it out.")


def _smallest(voxels: np.ndarray) -> np.ndarray:
    """The values in a type that follows from them alone."""
    if voxels.dtype.kind == "f":
        single = voxels.astype(np.float32)
        if not np.isfinite(voxels).all() or not (single == np.rint(single)).all():
            return single.astype("<f4", copy=False) + np.float32(0)  # no negative zero
        voxels = voxels.astype(np.int64)
    low, high = int(voxels.min()), int(voxels.max())
    small = np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high))
    return voxels.astype(small.newbyteorder("<"), copy=False)
