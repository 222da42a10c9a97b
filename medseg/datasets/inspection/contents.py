"""An image in figures: its intensities, a hash of its content and a small picture of it."""

import hashlib
from collections.abc import Iterator

import numpy as np

from medseg.case import Case
from medseg.datasets.inspection.facts import PERCENTILES, CaseFacts, Intensities
from medseg.datasets.inspection.findings import Finding
from medseg.datasets.inspection.likeness import descriptor
from medseg.image import Image

__all__ = ["described", "digest", "image_findings", "intensities"]

_THINNED = 200_000  # voxels that percentiles and histograms are taken from
_BINS = 64


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
    thinned = flat[:: max(1, flat.size // _THINNED)].astype(np.float64)
    counts, _edges = np.histogram(thinned, _BINS, (low, high if high > low else low + 1))
    values = np.percentile(thinned, PERCENTILES)
    return Intensities(
        low,
        high,
        float(flat.mean(dtype=np.float64)),
        float(thinned.std()),
        dict(zip(PERCENTILES, values.tolist(), strict=True)),
        nonfinite,
        tuple(counts.tolist()),
    )


def digest(image: Image) -> str:
    """A hash of the values in canonical order, whatever type or order of axes they are stored in."""
    turned = image.geometry.to_canonical.apply(image.voxels)
    plain = _smallest(turned)
    content = hashlib.blake2b(f"{plain.shape} {plain.dtype}".encode(), digest_size=16)
    content.update(np.ascontiguousarray(plain).data)
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
