"""A file of one or several volumes, described by its header: which one to read, and that one as an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medseg import address
from medseg.errors import GeometryError, InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.volumes.stored import Stretch, not_finite, scaled
from medseg.options import ReadOptions

__all__ = ["VolumeFile", "chosen_volume"]


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """What the header of a file says.

    Args:
        path: The file that was named.
        geometry: The grid of each volume.
        voxels: Where they lie.
        notes: What is doubtful.
        header: The header itself where a written mask can carry it over.
        scale: Factor and offset of the stored values.
    """

    path: Path
    geometry: Geometry
    voxels: Stretch
    notes: tuple[str, ...] = ()
    header: Any = None
    scale: tuple[float, float] = (1.0, 0.0)

    def chosen(self, inside: str, options: ReadOptions | None) -> int:
        """Which volume is meant, from 0. Raises what `chosen_volume` raises."""
        return chosen_volume(self.path, self.voxels.volumes, inside, options)

    def grid(self, inside: str, options: ReadOptions | None) -> Geometry:
        """The grid, once it is plain which volume is meant. Raises what `chosen_volume` raises."""
        self.chosen(inside, options)
        return self.geometry

    def image(self, inside: str, options: ReadOptions | None) -> Image:
        """The volume that is meant, in its stored type (float32 where the header scales).

        Raises:
            UnreadableFileError: The voxels are missing, damaged or too few.
            GeometryError: There are several volumes and none is named.
            InputError: The one that is named does not exist.
        """
        voxels = self.voxels.read(self.chosen(inside, options))
        if self.scale != (1.0, 0.0):
            voxels = scaled(voxels, *self.scale)
        notes = (*self.notes, *not_finite(voxels))
        return Image(voxels[np.newaxis], self.geometry, source=self.path, header=self.header, notes=notes)


def chosen_volume(
    where: Path, volumes: int, inside: str, options: ReadOptions | None, example: Path | None = None
) -> int:
    """Which of the volumes of a file to read, from 0: the one its address names, else the one the options name.

    Args:
        where: The file.
        volumes: How many it holds.
        inside: The number that follows in its address, "" for none.
        options: `frame` counts where the address names none.
        example: An address of the first volume, where it is not plainly `where:/0`.

    Raises:
        GeometryError: There are several and none is named.
        InputError: The one that is named does not exist.
    """
    if inside and not (inside.isascii() and inside.isdecimal() and len(inside) < 10):
        raise InputError(address.join(where, inside), "is no volume of the file", "Name it by its number, from 0.")
    wanted = int(inside) if inside else options.frame if options else None
    if wanted is None and volumes > 1:
        raise GeometryError(
            where,
            f"holds {volumes} volumes",
            f"Pick one, from 0 to {volumes - 1}: --frame 0, or the address {example or address.join(where.name, '0')}.",
            "one",
        )
    if not 0 <= (wanted or 0) < volumes:
        choices = f"from 0 to {volumes - 1}" if volumes > 1 else "0, or none"
        raise InputError(where, f"holds {volumes} volume(s) and no volume {wanted}", f"Pick {choices}.")
    return wanted or 0
