"""Contours in space to voxels: each on the slice in whose plane it lies, filled by the even-odd rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import GeometryError, GridMismatchError
from medseg.geometry import Geometry
from medseg.io.dicom.structures.painting import Piece, Structure
from medseg.io.polygons import filled

__all__ = ["Region", "drawn_pieces"]

# Contours are drawn on slices whose positions files round: up to this share of the distance between slices beside
# a slice still is that slice. (The PET of STS_002 has contours 0.012 of it beside.)
TOLERANCE = 0.05


@dataclass(frozen=True)
class Region:
    """One ROI and its closed contours, in world mm (RAS+), each of shape (points, 3)."""

    structure: Structure
    contours: tuple[np.ndarray, ...]


def drawn_pieces(regions: Sequence[Region], on: Geometry, path: Path, wanted: frozenset[int]) -> Iterator[Piece]:
    """Filled on the canonical grid, so that the voxels do not depend on the order in which an image stores them."""
    grid = on.reoriented(on.to_canonical)
    meant = [region for region in regions if region.structure.number in wanted]
    index = {region.structure.number: [grid.to_index(points) for points in region.contours] for region in meant}
    axis = _slice_axis([points for contours in index.values() for points in contours])
    in_plane = [other for other in range(3) if other != axis]
    for region in meant:
        slices: dict[int, list[np.ndarray]] = {}
        for points in index[region.structure.number]:
            k = _slice_of(points[:, axis], grid.step[axis], grid.shape[axis], region.structure.name, path)
            slices.setdefault(k, []).append(points[:, in_plane])
        for k, polygons in sorted(slices.items()):
            piece = _piece(region.structure, polygons, [grid.shape[other] for other in in_plane], path)
            if piece is not None:
                yield Piece(piece.number, (*piece.where[:axis], k, *piece.where[axis:]), piece.drawn)


def _slice_axis(contours: Sequence[np.ndarray]) -> int:
    """The axis across the planes of the contours: along it the usual contour does not extend."""
    extents = [np.ptp(points, axis=0) for points in contours]
    return int(np.argmin(np.median(extents, axis=0))) if extents else 2


def _slice_of(depths: np.ndarray, step: float, count: int, name: str, path: Path) -> int:
    k = round(float((depths.min() + depths.max()) / 2))
    if np.ptp(depths) > 2 * TOLERANCE:
        raise GeometryError(
            path,
            f"a contour of {name!r} is tilted against the slices of the image: it spans {np.ptp(depths) * step:.4g} mm",
            "Pass the series that it was drawn on.",
        )
    off = float(np.abs(depths - k).max())
    if off > TOLERANCE:
        raise GridMismatchError(
            path,
            f"a contour of {name!r} lies {off * step:.4g} mm beside the nearest slice of the image",
            "Pass the series that it was drawn on.",
            f"at most {TOLERANCE} of the {step:.4g} mm between slices",
        )
    if not 0 <= k < count:
        beyond = max(-k, k - count + 1) * step
        raise GridMismatchError(
            path, f"a contour of {name!r} lies {beyond:.4g} mm outside of the image", "Pass the whole series."
        )
    return k


def _piece(structure: Structure, polygons: list[np.ndarray], shape: Sequence[int], path: Path) -> Piece | None:
    """The contours of one slice, filled in the box around them, which may reach out of the slice but not draw there."""
    corners, size = np.concatenate(polygons), np.array(shape)
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    far = bool((low < -size).any() or (high > 2 * size).any())  # and no box of absurd size
    box = [slice(int(first), int(last)) for first, last in zip(low, high, strict=True)]
    drawn = np.ones((1, 1), bool) if far else filled([polygon - low for polygon in polygons], _extent(box))
    within = [slice(max(span.start, 0), min(span.stop, n)) for span, n in zip(box, shape, strict=True)]
    cut = tuple(
        slice(span.start - outer.start, span.stop - outer.start) for span, outer in zip(within, box, strict=True)
    )
    inner = drawn[cut] if min(_extent(within)) > 0 and not far else np.zeros((0, 0), bool)
    if drawn.sum() > inner.sum():
        raise GridMismatchError(
            path,
            f"a contour of {structure.name!r} encloses voxels outside of the image's grid",
            "Pass the whole series that it was drawn on.",
        )
    return Piece(structure.number, tuple(within), inner) if inner.any() else None


def _extent(box: Sequence[slice]) -> tuple[int, int]:
    return box[0].stop - box[0].start, box[1].stop - box[1].start
