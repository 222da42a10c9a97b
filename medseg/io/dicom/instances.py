"""Which DICOM images lie under the slices of an image: what an object that is drawn on it must name."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medseg.io.dicom.volumes import Volume

__all__ = ["Instances"]


@dataclass(frozen=True)
class Instances:
    """The files of an image, by slice.

    Args:
        slices: Of each slice in order (one for a 2D image) its file, and which frame of that, from 0; `None` where the
            file holds one.
        beside: Files of the other channels, which have slices of their own.
    """

    slices: tuple[tuple[Path, int | None], ...]
    beside: tuple[Path, ...] = ()

    @classmethod
    def of(cls, volume: "Volume") -> "Instances":
        """Those of a volume."""
        return cls(tuple((one.path, one.frame) for one in volume.slices))

    def with_channels(self, headers: Iterable[Any]) -> "Instances":
        """With the files of other channels, as far as their `Image.header`s are instances, each file once."""
        own = {path for path, _frame in self.slices}
        others = [path for one in headers if isinstance(one, Instances) for path, _frame in one.slices]
        return replace(self, beside=tuple(path for path in dict.fromkeys(others) if path not in own))
