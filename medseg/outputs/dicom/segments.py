"""What becomes a segment of a DICOM SEG: a label, or a region of it; and what each draws, slice by slice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medseg.codes import Coding
from medseg.errors import InputError, LabelError
from medseg.image import Segmentation
from medseg.labels import IGNORE_INDEX, Label, Labels
from medseg.outputs.dicom.identity import Author, tracking_id, tracking_uid
from medseg.regions.components import Region
from medseg.regions.overlapping import segmentation_regions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Plane", "Segment", "Segments", "drawn", "label_map_planes", "probable", "require_codes", "segments_of"]

Segments = Literal["label", "region"]
# A slice of the grid, the number of a segment, and what that draws there, shape (rows, columns).
Plane = tuple[int, int, np.ndarray]
_BLOCK, _TILE = 16, 16  # slices, and columns of them, that are turned at once: what a cache holds


@dataclass(frozen=True)
class Segment:
    """One segment.

    Args:
        number: From 1.
        label: Whose it is.
        name: What viewers show.
        tracking_id: See `medseg.outputs.dicom.identity`.
        tracking_uid: Likewise.
        region: Which region of the label it is; None for all of it, or all that is no region of its own.
    """

    number: int
    label: Label
    name: str
    tracking_id: str
    tracking_uid: str
    region: int | None = None

    @property
    def coding(self) -> Coding:
        """Its codes; `require_codes` has seen to it that there are some."""
        found = self.label.coding
        assert found is not None
        return found


def require_codes(labels: Labels) -> None:
    """Refuse labels of which nobody said what they are in codes.

    Raises:
        LabelError: There are some; they are named.
    """
    missing = labels.uncoded
    if missing:
        raise LabelError(
            ", ".join(missing),
            "no DICOM codes are known, and medseg invents none",
            "Give them in a YAML file (--codes FILE: `LABEL: {category: [SCT, ...], type: [SCT, CODE, MEANING]}`, or "
            "`LABEL: liver tumor` where medseg's own table has it), or as `codes` in a training's config.",
        )


def segments_of(
    segmentation: Segmentation,
    kind: Segments,
    *,
    case: str,
    series: str,
    author: Author,
    regions: "pd.DataFrame | None" = None,
) -> tuple[tuple[Segment, ...], dict[int, Region]]:
    """The segments of a mask, and the regions that segments draw by their numbers.

    A segment a label: its tracking id is that of its region where it has one only. A segment a region: what of a label
    is in no row of the table (regions that are too small) is a segment of its own, without a region.

    Args:
        segmentation: The mask.
        kind: A segment for each label, or for each region.
        case: For tracking ids.
        series: UID of the source's series, likewise.
        author: Likewise.
        regions: The region table; without it, all regions of the mask where each is a segment.

    Raises:
        InputError: The table is that of another mask.
    """
    found = segmentation_regions(segmentation) if kind == "region" else []
    listed = [(one.label, one.id) for one in found] if regions is None else _listed(regions)
    segments: list[Segment] = []
    drawn_by: dict[int, Region] = {}

    def add(label: Label, name: str, region: int | None) -> Segment:
        ids = (case, label.name, region)
        uid = tracking_uid(series, author, *ids)
        segments.append(Segment(len(segments) + 1, label, name, tracking_id(*ids), uid, region))
        return segments[-1]

    by_key = {(one.label, one.id): one for one in found}
    for label in segmentation.labels.labels:
        own = [number for name, number in listed if name == label.name]
        if kind == "label":
            add(label, label.name, own[0] if len(own) == 1 else None)
            continue
        for number in own:
            drawn_by[add(label, f"{label.name} {number}", number).number] = _region(by_key, label.name, number)
        voxels = np.count_nonzero(segmentation.of(label.name))
        if not own or voxels > sum(by_key[label.name, number].voxels for number in own):
            add(label, label.name if not own else f"{label.name}, not measured", None)
    return tuple(segments), drawn_by


def _listed(regions: "pd.DataFrame") -> list[tuple[str, int]]:
    return [(str(label), int(region)) for label, region in zip(regions["label"], regions["region"], strict=True)]


def _region(known: Mapping[tuple[str, int], Region], label: str, number: int) -> Region:
    if (label, number) not in known:
        found = f"the table has region {number} of {label!r}, which the mask has not"
        raise InputError("regions", found, "Pass the table of this mask.")
    return known[label, number]


def drawn(segmentation: Segmentation, segments: tuple[Segment, ...], regions: Mapping[int, Region]) -> Iterator[Plane]:
    """What segments draw, boolean, slice by slice; empty planes are left out."""
    whole = [one for one in segments if one.number not in regions]
    if not regions and segmentation.labels.exclusive:
        yield from _exclusive(segmentation, whole)
        return
    for one in segments:
        if one.number in regions:
            yield from _region_planes(one.number, regions[one.number], segmentation.geometry.shape)
    for one in whole:
        mask = segmentation.of(one.label.name)
        for other in segments:
            if other.label.name == one.label.name and other.number in regions:
                region = regions[other.number]
                mask[region.box] &= ~region.mask
        for first, planes in _turned(mask):
            yield from ((first + k, one.number, plane) for k, plane in enumerate(planes) if plane.any())


def probable(probabilities: np.ndarray, full: int) -> Iterator[Plane]:
    """Probabilities of the labels, shape (labels, x, y[, z]), as whole numbers up to `full` (uint8)."""
    for number, one in enumerate(probabilities, start=1):
        for first, planes in _turned(one):
            whole = np.rint(planes.astype(np.float32) * full).clip(0, full).astype(np.uint8)
            yield from ((first + k, number, plane) for k, plane in enumerate(whole) if plane.any())


def label_map_planes(segmentation: Segmentation, bits: int) -> Iterator[Plane]:
    """The numbers of labels that exclude one another, 0 for background, slice by slice; number 0 stands for all."""
    labels = segmentation.labels
    for first, planes in _turned(segmentation.mask):
        indices = labels.to_indices(planes)
        indices[indices == IGNORE_INDEX] = 0
        numbered = indices.astype(f"<u{bits // 8}")
        yield from ((first + k, 0, plane) for k, plane in enumerate(numbered) if plane.any())


def _exclusive(segmentation: Segmentation, segments: list[Segment]) -> Iterator[Plane]:
    """Each slice is looked at once for all labels."""
    for first, planes in _turned(segmentation.mask):
        for k, plane in enumerate(planes):
            for one in segments if plane.any() or segmentation.labels.background[0] != 0 else ():
                here = _has(plane, one.label.values)
                if here.any():
                    yield first + k, one.number, here


def _has(plane: np.ndarray, values: tuple[int, ...]) -> np.ndarray:
    return plane == values[0] if len(values) == 1 else np.isin(plane, values)


def _region_planes(number: int, region: Region, shape: tuple[int, ...]) -> Iterator[Plane]:
    columns, rows = region.box[:2]
    first = region.start[2] if len(shape) == 3 else 0
    for k, inner in enumerate(np.atleast_3d(region.mask).transpose(2, 1, 0)):
        if inner.any():
            plane = np.zeros((shape[1], shape[0]), bool)
            plane[rows, columns] = inner
            yield first + k, number, plane


def _turned(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Some slices at a time as (slices, rows, columns) in one piece of memory, and the number of the first."""
    volume = np.atleast_3d(array)
    for first in range(0, volume.shape[2], _BLOCK):
        yield first, _in_one_piece(volume[:, :, first : first + _BLOCK])


def _in_one_piece(block: np.ndarray) -> np.ndarray:
    """A block (x, y, z) as (z, y, x); tile by tile, which takes a third of the time where z lies closest in memory."""
    if block.T.flags.c_contiguous:
        return block.T
    turned = np.empty(block.shape[::-1], block.dtype)
    for first in range(0, len(block), _TILE):
        turned[:, :, first : first + _TILE] = block[first : first + _TILE].T
    return turned
