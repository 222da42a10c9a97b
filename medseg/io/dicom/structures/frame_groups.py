"""The functional groups of a DICOM SEG's frames: which segment each draws, and where it lies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medseg.errors import GeometryError, GridMismatchError, UnreadableFileError
from medseg.geometry import Geometry, Reorientation
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.structures.frames import Frames
from medseg.io.dicom.structures.objects import whole_number
from medseg.io.dicom.structures.placing import Planes, own_grid, placed

__all__ = ["frame_groups", "located", "segment_number"]

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
Groups = tuple[Any, Any]  # a frame's own functional groups, and those that all frames share
Placed = tuple[Geometry, Reorientation, np.ndarray, tuple[str, ...]]


def frame_groups(dataset: Any, frames: Frames, path: Path) -> list[Groups]:
    """Functional groups of each frame and those that all share.

    Raises:
        UnreadableFileError: They are not as many as the frames, or the frames are tiles of a microscopy slide.
    """
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [{}])[0]
    each = dataset.get("PerFrameFunctionalGroupsSequence") or []
    tiled = str(dataset.get("DimensionOrganizationType", "")).startswith("TILED")
    if tiled or "TotalPixelMatrixRows" in dataset or any("PlanePositionSlideSequence" in group for group in each):
        raise UnreadableFileError(
            path, "is a segmentation of a microscopy slide", "Pass a segmentation of a radiology image."
        )
    if len(each) != frames.count:
        raise UnreadableFileError(
            path, f"describes {len(each)} frames and declares {frames.count}", EXPORT_AGAIN, "as many"
        )
    return [(group, shared) for group in each]


def segment_number(group: Groups, path: Path) -> int:
    """The number of the segment that a frame draws."""
    item = _item("SegmentIdentificationSequence", *group)
    if item is None:
        raise UnreadableFileError(path, "has a frame that names no segment", EXPORT_AGAIN)
    return whole_number(item, "ReferencedSegmentNumber", path)


def located(groups: Sequence[Groups], frames: Frames, on: Geometry | None, path: Path) -> Placed:
    """Where the frames lie: the grid, its turn to the frames' axes, each frame's first index on that, and notes."""
    if any(_item("PlanePositionSequence", *group) is not None for group in groups):
        return _in_space(groups, frames, on, path)
    return _flat(groups, frames, on, path)


def _in_space(groups: Sequence[Groups], frames: Frames, on: Geometry | None, path: Path) -> Placed:
    origins, steps, between, thickness = [], [], 0.0, 0.0
    for group in groups:
        measures = _item("PixelMeasuresSequence", *group)
        origin = _numbers(_item("PlanePositionSequence", *group), "ImagePositionPatient", 3, path)
        axes = _numbers(_item("PlaneOrientationSequence", *group), "ImageOrientationPatient", 6, path).reshape(2, 3)
        spacing = _numbers(measures, "PixelSpacing", 2, path)
        if spacing.min() <= 0 or np.abs(axes @ axes.T - np.eye(2)).max() > 1e-3:
            raise GeometryError(
                path, f"a frame has pixels of {spacing.tolist()} mm along {axes.ravel().tolist()}", EXPORT_AGAIN
            )
        origins.append(origin * _LPS_TO_RAS)
        # The column index runs along the first direction, in steps of the *second* PixelSpacing.
        steps.append(axes * _LPS_TO_RAS * spacing[::-1, None])
        between = abs(float(measures.get("SpacingBetweenSlices") or 0))
        thickness = abs(float(measures.get("SliceThickness") or 0))
    planes = Planes(np.array(origins), np.array(steps), (frames.columns, frames.rows))
    notes: tuple[str, ...] = ()
    if on is None:
        on, notes = own_grid(planes, between, thickness, path)
    turn, starts, more = placed(planes, on, between, path)
    return on, turn, starts, notes + more


def _flat(groups: Sequence[Groups], frames: Frames, on: Geometry | None, path: Path) -> Placed:
    """A segmentation of one radiograph: no positions, the pixels are the image's."""
    shape = (frames.columns, frames.rows)
    measures = _item("PixelMeasuresSequence", *groups[0])
    if on is None:
        spacing = None if measures is None else _numbers(measures, "PixelSpacing", 2, path)[::-1].tolist()
        on = Geometry.from_spacing(shape, spacing, "PixelSpacing")
    if on.shape != shape:
        raise GridMismatchError(
            path, f"frames of {shape[0]}×{shape[1]} pixels without a position", "Pass its own image.", on.describe()
        )
    return on, Reorientation((0, 1), (False, False)), np.zeros((frames.count, 2), np.int64), ()


def _numbers(item: Any, name: str, count: int, path: Path) -> np.ndarray:
    value = None if item is None else item.get(name)
    numbers = np.array([float(part) for part in value], dtype=float) if value is not None else np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise GeometryError(path, f"{name} of a frame is {value!r}", EXPORT_AGAIN, f"{count} numbers")
    return numbers


def _item(name: str, *groups: Any) -> Any:
    """The first item of a sequence in the frame's own groups, else in the shared ones."""
    return next((group.get(name)[0] for group in groups if group.get(name)), None)
