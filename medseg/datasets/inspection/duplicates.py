"""The same image more than once: by its content where it is exact, by a small picture of it where it was changed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from medseg.case import Case
from medseg.datasets.inspection.facts import CaseFacts
from medseg.datasets.inspection.findings import Finding
from medseg.datasets.inspection.likeness import details

__all__ = ["duplicates"]

# Correlations: of descriptors made coarse, where two images are worth comparing; and of the detail in which copies
# agree. Real images of different patients reach 0.5 there; JPEG of quality 20, a quarter of the size or clipped
# contrast leave 0.8. Brains in one standard space agree by 0.67, so volumes must agree more.
_CANDIDATE = 0.85
_COPY = {2: 0.75, 3: 0.9}
_COARSER = {2: 4, 3: 3}  # entries of a descriptor that are averaged along each axis
_BLOCK = 2048  # images that are compared with others at a time
_PAIRS = 512  # images, or pairs of them, whose detail is looked at at a time
_MEND = "Keep one, or at least both in the same part of the split."


@dataclass(frozen=True)
class _Copy:
    """Two images, places in a list, that are copies of one another."""

    one: int
    other: int
    likeness: float
    mirrored: tuple[int, ...]


def duplicates(facts: Sequence[CaseFacts]) -> list[Finding]:
    """Groups of cases that hold one image, exactly or nearly."""
    groups: dict[str, list[CaseFacts]] = defaultdict(list)
    for one in facts:
        if one.digest:
            groups[one.digest].append(one)
    found = [_finding(group, "duplicate", _exact_words(group)) for group in groups.values() if len(group) > 1]
    first = [group[0] for group in groups.values() if group[0].descriptor is not None]
    for ndim in (2, 3):
        found += _near([one for one in first if one.descriptor is not None and one.descriptor.ndim == ndim], groups)
    return found


def _exact_words(group: Sequence[CaseFacts]) -> str:
    files = {tuple(path.resolve() for path in one.case.images) for one in group}
    return "list the same file" if len(files) == 1 else "hold the same image, voxel by voxel"


def _near(facts: Sequence[CaseFacts], groups: dict[str, list[CaseFacts]]) -> Iterator[Finding]:
    pictures = np.array([one.descriptor for one in facts])
    if len(pictures) < 2:
        return
    for copy in _copies(pictures):
        pair = facts[copy.one], facts[copy.other]
        mirrored = f" mirrored along {' and '.join('xyz'[axis] for axis in copy.mirrored)}" if copy.mirrored else ""
        contrast = " in inverted contrast" if copy.likeness < 0 else ""
        words = f"hold nearly the same image{mirrored}{contrast} (detail correlates by {abs(copy.likeness):.3f})"
        yield _finding([one for own in pair for one in groups[own.digest]], "near_duplicate", words)


def _finding(group: Sequence[CaseFacts], kind: str, words: str) -> Finding:
    cases = [one.case for one in group]
    parts = sorted({case.split for case in cases})
    text = f"{_listed(cases)} {words}"
    if len(parts) > 1 and "" not in parts:
        return Finding("duplicate_across_splits", f"{text}, in {' and in '.join(parts)}", _ids(cases), mend=_MEND)
    patients = len({case.patient for case in cases})
    if patients > 1:
        text += f", as {patients} patients: a split by patient can put one in training and the other in test"
    return Finding(kind, text, _ids(cases), mend=_MEND)


def _ids(cases: Iterable[Case]) -> tuple[str, ...]:
    return tuple(case.id for case in cases)


def _listed(cases: Sequence[Case]) -> str:
    names = [repr(case.id) for case in cases]
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _copies(pictures: np.ndarray) -> list[_Copy]:
    """Pairs of pictures, shape (n, side, ...), whose detail agrees; of each group all pairs with its first."""
    ndim = pictures.ndim - 1
    parts = (pictures[start : start + _PAIRS] for start in range(0, len(pictures), _PAIRS))
    fine = _standard(np.concatenate([details(part) for part in parts]))
    coarse = _standard(_coarse(pictures))
    best: dict[tuple[int, int], _Copy] = {}
    for axes in _mirrors(ndim):
        for pairs in _candidates(coarse, axes):
            flipped = np.flip(fine[pairs[:, 1]], tuple(axis + 1 for axis in axes))
            likeness = (fine[pairs[:, 0]] * flipped).reshape(len(pairs), -1).sum(axis=1)
            for (one, other), score in zip(pairs.tolist(), likeness.tolist(), strict=True):
                known = best.get((one, other))
                if abs(score) >= _COPY[ndim] and (known is None or abs(score) > abs(known.likeness)):
                    best[one, other] = _Copy(one, other, score, axes)
    return _of_first(best.values())


def _of_first(copies: Iterable[_Copy]) -> list[_Copy]:
    """Without the pairs that follow from others: of three copies, only those with the first are kept."""
    first: dict[int, int] = {}
    kept = []
    for copy in sorted(copies, key=lambda copy: (copy.one, copy.other)):
        if first.get(copy.one, copy.one) != first.get(copy.other, copy.other):
            kept.append(copy)
        first.setdefault(copy.other, first.get(copy.one, copy.one))
    return kept


def _mirrors(ndim: int) -> list[tuple[int, ...]]:
    """Axes to flip: none, each, and every combination."""
    return [tuple(i for i in range(ndim) if flips[i]) for flips in product((False, True), repeat=ndim)]


def _candidates(coarse: np.ndarray, axes: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Pairs of places (smaller first), shape (pairs, 2), whose coarse pictures agree when the second is flipped."""
    plain = coarse.reshape(len(coarse), -1)
    turned = np.flip(coarse, tuple(axis + 1 for axis in axes)).reshape(len(coarse), -1)
    for rows, columns in _blocks(len(plain)):
        alike = np.abs(plain[rows] @ turned[columns].T) >= _CANDIDATE
        pairs = np.argwhere(alike) + np.array([rows.start, columns.start])
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        yield from (pairs[start : start + _PAIRS] for start in range(0, len(pairs), _PAIRS))


def _blocks(count: int) -> Iterator[tuple[slice, slice]]:
    """Every pair of blocks of rows, the first not after the second."""
    blocks = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
    yield from ((block, block) for block in blocks)
    yield from combinations(blocks, 2)


def _coarse(pictures: np.ndarray) -> np.ndarray:
    ndim = pictures.ndim - 1
    factor, side = _COARSER[ndim], pictures.shape[1]
    split = pictures.reshape(len(pictures), *(side // factor, factor) * ndim)
    return split.mean(axis=tuple(range(2, 2 * ndim + 1, 2)))


def _standard(pictures: np.ndarray) -> np.ndarray:
    """Each of mean 0 and length 1, so that products are correlations; zeros where it is flat."""
    flat = pictures.reshape(len(pictures), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return (centred / np.where(length > 0, length, 1)).reshape(pictures.shape)
