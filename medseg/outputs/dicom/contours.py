"""The outline of a mask in a slice, as closed polygons whose holes are joined to what surrounds them.

An outline runs on the half level between voxel centres (marching squares, Lorensen 1987), so every centre lies clearly
inside or outside of it and the mask can be drawn again exactly. Voxels that touch at a corner only are apart.

A hole is joined to the outline around it by a keyhole, two edges there and back at one place (PS3.3 C.8.8.6.3): read
so by a reader that fills one polygon after the other, and by one that counts crossings.
"""

import numpy as np

__all__ = ["slice_outlines"]

_WIDEST = 2.0**24  # half voxels of a picture, and more
_QUARTER = 0.25  # of a voxel beside the line of centres along which a keyhole would run


def slice_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """The polygons of a picture, one for each of its parts.

    Args:
        mask: Boolean, shape (x, y).

    Returns:
        Corners in voxel indices, each of shape (points, 2), the first not repeated; none where the mask is empty.
    """
    from skimage.measure import find_contours

    held = [np.flatnonzero(mask.any(axis=other)) for other in (1, 0)]
    if not held[0].size:
        return []
    low = [int(places[0]) for places in held]
    crop = mask[low[0] : held[0][-1] + 1, low[1] : held[1][-1] + 1]
    found = [line[:-1] - 1 for line in find_contours(np.pad(crop, 1).astype(np.float64), 0.5)]
    outer, holes = [line for line in found if _turn(line) > 0], [line for line in found if _turn(line) < 0]
    return [_corners(line) + low for line in _joined(outer, holes, crop)]


def _turn(line: np.ndarray) -> float:
    """Twice the signed area of a polygon: above 0 of what runs round a part, below of what runs round a hole."""
    x, y = line.T
    return float(np.roll(x, -1) @ y - x @ np.roll(y, -1))


def _joined(outer: list[np.ndarray], holes: list[np.ndarray], mask: np.ndarray) -> list[np.ndarray]:
    """Each outer polygon with its holes.

    Before the first corner of a hole along the first axis lie voxels of its surrounding, as far as an edge that begins
    further ahead: that of another hole, or the outer one. So all holes end up in their outer polygon.
    """
    if not holes:
        return outer
    lines = outer + holes
    points = np.concatenate(lines)
    ends = np.cumsum([len(line) for line in lines])
    begins = ends - [len(line) for line in lines]
    follows = np.arange(1, len(points) + 1)
    follows[ends - 1] = begins
    keys = _key(points)
    order = np.argsort(keys)
    added: list[np.ndarray] = []
    after = follows.tolist()
    for begin, end in list(zip(begins, ends, strict=True))[len(outer) :]:
        hole = points[begin:end]
        first = int(begin + np.lexsort((hole[:, 1], hole[:, 0]))[0])
        x, y = points[first]
        empty = np.flatnonzero(~mask[: int(x + 0.5), int(y)])
        onto = np.array([(empty[-1] if empty.size else -1) + 0.5, y])
        edge = int(order[np.searchsorted(keys, _key(onto), sorter=order)])
        before = first - 1 if first > begin else int(end) - 1
        near, far = _beside(points[edge], points[follows[edge]]), _beside(points[first], points[before])
        new = len(points) + len(added)
        added += [near, far, far, near]
        after += [new + 1, first, new + 3, after[edge]]
        after[edge], after[before] = new, new + 2
    points = np.concatenate([points, added])
    return [points[_round(after, begin)] for begin in begins[: len(outer)].tolist()]


def _key(points: np.ndarray) -> np.ndarray:
    """A number for each point of an outline, which no other has."""
    return np.asarray((2 * points[..., 0] + 1) * _WIDEST + 2 * points[..., 1] + 1)


def _beside(point: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """Where a keyhole meets the edge between two corners: not on a line of centres, which it would run through."""
    return np.asarray(point + (neighbour - point) * (_QUARTER / (neighbour[1] - point[1])))


def _round(after: list[int], begin: int) -> list[int]:
    """All points from one on, each followed by its next, until it comes again."""
    found, at = [begin], after[begin]
    while at != begin:
        found.append(at)
        at = after[at]
    return found


def _corners(line: np.ndarray) -> np.ndarray:
    """A polygon without the points at which it goes straight on."""
    into, out = line - np.roll(line, 1, axis=0), np.roll(line, -1, axis=0) - line
    straight = (into[:, 0] * out[:, 1] == into[:, 1] * out[:, 0]) & ((into * out).sum(axis=1) > 0)
    return line[~straight]
