"""Which DICOM images lie under the slices of an image: what an object that is drawn on it must name."""

from dataclasses import dataclass
from pathlib import Path

from medseg.io.dicom.volumes import Volume

__all__ = ["Instances"]


@dataclass(frozen=True)
class Instances:
    """The files of an image, by slice.

    Args:
        slices: Of each slice in order (one for a 2D image) its file, and which frame of that, from 0; `None` where the
            file holds one.
    """

    slices: tuple[tuple[Path, int | None], ...]

    @classmethod
    def of(cls, volume: Volume) -> "Instances":
        """Those of a volume."""
        return cls(tuple((one.path, one.frame) for one in volume.slices))
