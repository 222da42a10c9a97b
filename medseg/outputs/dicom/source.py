"""The DICOM images that a segmentation was drawn on, as the objects made from it must name and copy them."""

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.dicom.content import read_bytes
from medseg.io.dicom.headers import dataset, guarded, read_header
from medseg.io.dicom.instances import Instances

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["LPS", "Source", "source_of"]

# DICOM's patient frame is LPS+ (x to the left, y to the back); ours is RAS+: both change sign.
LPS = np.array([-1.0, -1.0, 1.0])
_BESIDE = 0.05  # of a voxel: a frame whose place differs by more is not the image's slice


@dataclass(frozen=True, eq=False)
class Source:
    """The instances under an image.

    Args:
        where: Its file or folder.
        datasets: Of each instance the header without pixels, in the order of the image's slices.
        frames: Of each slice of the image's grid (one for a 2D image) the index of its data set and the number of its
            frame, from 1; empty where the pixels of a slice are not those of one frame, as in an image that was
            resampled.
        beside: Headers of the instances of other channels.
    """

    where: Path
    datasets: "tuple[Dataset, ...]"
    frames: tuple[tuple[int, int], ...]
    beside: "tuple[Dataset, ...]" = ()

    @property
    def first(self) -> "Dataset":
        """The instance that stands for all: patient and study are copied from it."""
        return self.datasets[0]

    @cached_property
    def uids(self) -> tuple[str, ...]:
        """SOPInstanceUID of each data set."""
        return tuple(str(one.SOPInstanceUID) for one in self.datasets)

    @property
    def series(self) -> str:
        """SeriesInstanceUID."""
        return str(self.first.get("SeriesInstanceUID", ""))

    def position(self, k: int) -> Any:
        """ImagePositionPatient of the frame under slice `k`, three numbers in LPS+ mm; None where there is none."""
        if not self.frames:
            return None
        at, number = self.frames[k]
        return _position(self.datasets[at], number)

    @property
    def multiframe(self) -> bool:
        """Whether its instances hold several frames, each with functional groups of its own."""
        return "PerFrameFunctionalGroupsSequence" in self.first


def source_of(image: Image) -> Source:
    """The DICOM instances that an image was read from.

    Raises:
        InputError: It was read from another format, or an instance has no UIDs by which it could be named.
        UnreadableFileError: A file is gone or broken.
    """
    where = image.source or Path("image")
    if not isinstance(image.header, Instances):
        found = "was not read from DICOM images, to which a DICOM object must refer"
        raise InputError(where, found, "Pass the DICOM series; `medseg convert --like SERIES` lays a mask on one.")
    files = tuple(dict.fromkeys(path for path, _frame in image.header.slices))
    datasets, beside = (tuple(_named_header(path) for path in paths) for paths in (files, image.header.beside))
    index = {path: number for number, path in enumerate(files)}
    frames = tuple((index[path], (frame or 0) + 1) for path, frame in image.header.slices)
    fits = guarded(where, lambda: _fits(image.geometry, datasets, frames))
    return Source(where, datasets, frames if fits else (), beside)


def _named_header(path: Path) -> "Dataset":
    """The header of an instance that has the UIDs by which it is named."""
    one = _header(path)
    _require_uids(path, one)
    return one


def _header(path: Path) -> "Dataset":
    """All of the header; of a large file no more than that is read."""
    import pydicom

    one = read_header(path)
    if one is None or one.pixels_at is None or one.deflated_at:
        return dataset(path)
    content = BytesIO(read_bytes(path, one.pixels_at))
    return guarded(path, lambda: pydicom.dcmread(content, stop_before_pixels=True, force=True))


def _require_uids(path: Path, one: "Dataset") -> None:
    names = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    missing = [name for name in names if not one.get(name)]
    if missing:
        found = f"has no {', '.join(missing)}, by which a DICOM object could refer to it"
        raise InputError(path, found, "Export it again with its UIDs.")


def _fits(geometry: Geometry, datasets: "tuple[Dataset, ...]", frames: tuple[tuple[int, int], ...]) -> bool:
    """Whether each slice of a grid has the pixels of its frame, at the frame's place."""
    if len(frames) != (geometry.shape[2] if geometry.ndim == 3 else 1):
        return False
    return all(_frame_fits(geometry, k, datasets[at], number) for k, (at, number) in enumerate(frames))


def _frame_fits(geometry: Geometry, k: int, one: "Dataset", number: int) -> bool:
    if (int(one.Columns), int(one.Rows)) != geometry.shape[:2] or number > int(one.get("NumberOfFrames") or 1):
        return False
    position = _position(one, number)
    if geometry.ndim == 2 or position is None:
        return geometry.ndim == 2
    off = geometry.to_index(np.array(position, dtype=float) * LPS) - (0, 0, k)
    return bool(np.abs(off).max() <= _BESIDE)


def _position(one: "Dataset", number: int) -> Any:
    """ImagePositionPatient of a frame, in the patient's LPS+ mm; None where it has none."""
    groups = one.get("PerFrameFunctionalGroupsSequence")
    own = [groups[number - 1]] if groups else []
    for group in (*own, *(one.get("SharedFunctionalGroupsSequence") or ())):
        if group.get("PlanePositionSequence"):
            return group.PlanePositionSequence[0].get("ImagePositionPatient")
    return one.get("ImagePositionPatient")
