"""Masks whose values or colours are near the declared ones: each voxel gets the nearest, or the mask is refused.

JPEG, anti-aliasing and resizing leave two kinds of voxels that hold no declared colour exactly: noise, which is
close to one, and mixtures of two, which form thin seams between them. Both get the nearest declared colour. What
is neither is a colour that nobody declared, and a reason to refuse the mask:

- a plateau: somewhere all voxels of a 3×3 (×3) window are far from every declared colour and nearly alike;
  seams are too steep for that;
- strangers: voxels are far from every mixture of two declared colours too, as a thin blue outline is in a mask of
  black, red and green. A few are let pass among colours, of which a strong JPEG compression makes some where three
  meet.

Close to a colour is within 32 of 255 levels, or within a quarter of the smallest distance between two declared ones
where that is less; nearly alike is half of it, and far from every mixture four times.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medseg.errors import LabelError
from medseg.labels import Labels

__all__ = ["Notes", "nearest_declared", "nearest_value"]

Notes = tuple[str, ...]
Floats = npt.NDArray[np.float64]

_CLOSE = 32.0
_TABLE = 1 << 24
_FEW = 8
_LARGEST = 1e15  # a larger value is no label, and beyond exact arithmetic
_MOST_COLOURS = 65536  # more are an image's, not a mask's
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class _Distinct:
    """The different colours of a mask, shape (n, channels), and which one each voxel has."""

    colours: Floats
    which: np.ndarray

    def counts(self) -> np.ndarray:
        return np.bincount(self.which.ravel(), minlength=len(self.colours))


def nearest_declared(
    voxels: np.ndarray, declared: npt.ArrayLike, where: str | Path, *, lossy: bool = False
) -> tuple[np.ndarray, Notes]:
    """Which declared colour or value each voxel has, exactly or nearly.

    Args:
        voxels: Shape (*spatial, channels).
        declared: The colours, shape (n, channels), n at least 2.
        where: What to name in an error.
        lossy: They come from a JPEG, where a declared colour may have come about by chance.

    Returns:
        Indices into `declared`, shape (*spatial,), and a note where voxels had none exactly.

    Raises:
        LabelError: A colour that nobody declared is in the mask, or it is an image.
    """
    targets = np.asarray(declared, dtype=np.float64)
    distinct = _distinct(voxels, where)
    distances = np.linalg.norm(distinct.colours[:, None] - targets[None], axis=-1)
    gap = min(float(np.linalg.norm(a - b)) for a, b in combinations(targets, 2))
    close = min(_CLOSE, gap / 4)
    far = distances.min(axis=1) > close
    if far.any():
        _refuse_undeclared(distinct, targets, far, close, where)
    nearest = distances.argmin(axis=1).astype(np.uint8 if len(targets) < 256 else np.uint16)[distinct.which]
    inexact = (distances.min(axis=1) > 0)[distinct.which]
    if len(targets) > 2 and inexact.any():
        _split_seams(nearest, inexact | lossy, far[distinct.which], distances, distinct.which)
    return nearest, _note(inexact, far[distinct.which])


def nearest_value(
    values: np.ndarray, labels: Labels, where: str | Path, *, lossy: bool = False
) -> tuple[np.ndarray, Notes]:
    """Each value, or the nearest declared one, in the smallest type, and a note where it was not declared.

    Raises:
        LabelError: As for `nearest_declared`; or a value is not finite.
    """
    if not (values.min() >= -_LARGEST and values.max() <= _LARGEST):  # false of NaN, too
        raise LabelError(
            where, f"holds values that are not finite, or beyond {_LARGEST:.0e}", "Give a label map, not an image."
        )
    declared = np.array(labels.file_values)
    which, notes = nearest_declared(values[..., None], declared[:, None], where, lossy=lossy)
    small = np.min_scalar_type(int(declared.max())) if declared.min() >= 0 else np.dtype(np.int32)
    return declared.astype(small)[which], notes


def _note(inexact: np.ndarray, far: np.ndarray) -> Notes:
    count = int(np.count_nonzero(inexact))
    if not count:
        return ()
    between = int(np.count_nonzero(far))
    return (f"{count} voxels ({count / far.size:.2%}) got the nearest declared label, {between} from between two",)


def _distinct(voxels: np.ndarray, where: str | Path) -> _Distinct:
    colourful = voxels.shape[-1] == 3
    codes = _packed(voxels) if colourful else voxels[..., 0]
    in_table = codes.dtype.kind in "iu" and codes.min(initial=0) >= 0 and codes.max(initial=0) < _TABLE
    found, which = _from_table(codes) if in_table else np.unique(codes, return_inverse=True)
    if len(found) > _MOST_COLOURS:
        raise LabelError(where, f"holds {len(found)} different values", "Give a label map, not an image.")
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1) if colourful else found[:, None]
    return _Distinct(colours.astype(np.float64), which.reshape(codes.shape))


def _from_table(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `np.unique` with the inverse, but without sorting: what occurs is marked in a table."""
    present = np.zeros(int(codes.max(initial=0)) + 1, dtype=bool)
    present[codes] = True
    found = np.flatnonzero(present)
    index = np.zeros(len(present), dtype=np.min_scalar_type(len(found)))
    index[found] = np.arange(len(found))
    return found, index[codes]


def _packed(colours: np.ndarray) -> np.ndarray:
    packed = colours[..., 0].astype(np.uint32)
    for channel in (1, 2):
        packed <<= 8
        packed |= colours[..., channel]
    return packed


def _refuse_undeclared(distinct: _Distinct, targets: Floats, far: np.ndarray, close: float, where: str | Path) -> None:
    foreign = far & (_distance_to_mixtures(distinct.colours, targets) > 4 * close)
    strangers = int(distinct.counts()[foreign].sum())
    few = _FEW if targets.shape[1] > 1 else 0
    if strangers <= few and not _has_plateau(distinct, far, close):
        return
    counts = np.where(foreign if strangers > few else far, distinct.counts(), 0)
    common = np.argsort(-counts, kind="stable")[:_SHOWN]
    shown = ", ".join(f"{_name(distinct.colours[i])} in {counts[i]}" for i in common if counts[i])
    raise LabelError(
        where,
        f"{int(counts.sum())} voxels hold what nobody declared (the commonest: {shown})",
        "Declare it under `labels` in the config, as background or ignore if it is no label, or mend the mask.",
        f"only {', '.join(_name(target) for target in targets)}, or what lies between two of them on their seam",
    )


def _distance_to_mixtures(colours: Floats, targets: Floats) -> Floats:
    """How far each colour is from the nearest line between two declared ones."""
    nearest = np.full(len(colours), np.inf)
    for one, other in combinations(targets, 2):
        way = other - one
        share = np.clip((colours - one) @ way / (way @ way), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(colours - one - share[:, None] * way, axis=1))
    return nearest


def _has_plateau(distinct: _Distinct, far: np.ndarray, close: float) -> bool:
    flat = ndimage.minimum_filter(far[distinct.which], size=3, mode="constant", cval=False)
    for channel in distinct.colours.T.astype(np.float32):
        if not flat.any():
            return False
        picture = channel[distinct.which]
        flat &= ndimage.maximum_filter(picture, size=3) - ndimage.minimum_filter(picture, size=3) <= close / 2
    return bool(flat.any())


def _split_seams(
    nearest: np.ndarray, doubtful: np.ndarray, far: np.ndarray, distances: Floats, which: np.ndarray
) -> None:
    """Mixtures of two colours that happen to be nearest to a third get the nearer of the two, in place.

    Grey 128 between 0 and 255 is no label 127 where none is beside it: a 2×2 (×2) block of a colour within two
    voxels speaks for it, and a seam has none.
    """
    block, beside_size = np.ones((2,) * nearest.ndim, dtype=bool), 5
    sure = ~far
    beside = np.stack(
        [
            ndimage.maximum_filter(ndimage.binary_opening((nearest == i) & sure, block), beside_size)
            for i in range(distances.shape[1])
        ],
        axis=-1,
    )
    own = np.take_along_axis(beside, nearest[..., None].astype(np.intp), axis=-1)[..., 0]
    seam = doubtful & ~own & (beside.sum(axis=-1) >= 2)
    nearest[seam] = np.where(beside[seam], distances[which[seam]], np.inf).argmin(axis=1)


def _name(colour: np.ndarray) -> str:
    if len(colour) == 1:
        return f"{colour[0]:g}"
    return "#" + "".join(f"{int(channel):02x}" for channel in colour)
