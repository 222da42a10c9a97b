"""The prepared image a few planes at a time, so that a window over it need not hold all of it."""

from dataclasses import dataclass
from typing import Protocol

import torch

from medseg.image import Image
from medseg.plan import Plan
from medseg.transforms.prepare import Prepared, Restoration, prepare
from medseg.transforms.slab_planes import slab_planes

__all__ = ["Planes", "WholePlanes", "open_planes"]


class Planes(Protocol):
    """An image on the network's grid, canonical axis order, of which any run of planes can be read.

    It is quickest where reads go forward along one axis; what follows on from the last read is not prepared twice.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Working shape."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    @property
    def restoration(self) -> Restoration:
        """The way back to the native grid."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a step of preparation did not find."""
        ...

    def read(self, axis: int, start: int, stop: int) -> torch.Tensor:
        """Planes [start, stop) along an axis, 0 <= start < stop <= shape[axis].

        Returns:
            float32 on the CPU, shape (C, *shape with that axis cut), any strides; not to be written to.
        """
        ...


@dataclass(frozen=True, eq=False)
class WholePlanes:
    """Planes of an image that was prepared as a whole."""

    prepared: Prepared

    @property
    def shape(self) -> tuple[int, ...]:
        """Working shape."""
        return tuple(self.prepared.voxels.shape[1:])

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.prepared.voxels.shape[0]

    @property
    def restoration(self) -> Restoration:
        """The way back to the native grid."""
        return self.prepared.restoration

    @property
    def notes(self) -> tuple[str, ...]:
        """What a step of preparation did not find."""
        return self.prepared.notes

    def read(self, axis: int, start: int, stop: int) -> torch.Tensor:
        """Planes [start, stop) along an axis; a view."""
        return self.prepared.voxels.narrow(1 + axis, start, stop - start)


def open_planes(image: Image, plan: Plan, *, crop: bool = True) -> Planes:
    """An image as a plan prepares it, plane by plane.

    Args:
        image: Native.
        plan: What the network was trained on.
        crop: Look only at the box round the body.

    Raises:
        InputError: Channels or dimensions are not the plan's, or the spacing that it needs is unknown.
    """
    if plan.preparation or plan.dims == 2:  # steps look at all of an image, and a picture is small
        return WholePlanes(prepare(image, plan, crop=crop))
    return slab_planes(image, plan, crop=crop)
