"""What the stored values of a DICOM volume stand for: rescaled, mapped to the real world, SUV; and their unit."""

from typing import Literal

import numpy as np

from medseg.io.dicom.headers import dataset
from medseg.io.dicom.pixels import stored_volume
from medseg.io.dicom.values.padding import darken_padding
from medseg.io.dicom.values.real_world import RealWorld, real_world_value
from medseg.io.dicom.values.rescaling import rescaled
from medseg.io.dicom.values.samples import coloured
from medseg.io.dicom.values.suv import pet_values
from medseg.io.dicom.volumes import Volume

__all__ = ["volume_values"]

_MAPPING = "RealWorldValueMappingSequence"


def volume_values(volume: Volume, pet: Literal["suv", "stored"]) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Values of shape (slices, rows, columns), their unit ("HU", "SUVbw", ...; empty where unknown), and notes.

    Args:
        volume: What a scan found.
        pet: Whether a PET is to be in SUV or in the unit of the file.

    Raises:
        UnreadableFileError: Pixels are missing, broken or cannot be rescaled.
        InputError: A PET lacks what SUV needs.
    """
    first, slices = volume.first, volume.slices
    stored = stored_volume(slices)
    notes: tuple[str, ...] = ("colours were turned into grey",) if coloured(first.header) else ()
    if _MAPPING in first.header:
        mappings, said = _real_world(volume, stored, pet)
        notes += said
        if mappings:
            values = np.stack([mapping.of(pixels) for mapping, pixels in zip(mappings, stored, strict=True)])
            return values, mappings[0].unit, notes
    values, said = darken_padding(rescaled(stored, slices), stored, first.header)
    notes += said
    if first.modality != "PT":
        return values, "HU" if first.modality == "CT" else "", notes
    found = pet_values(first.path, dataset(first.path), pet, [one.header for one in slices])
    return values * np.float32(found.factor), found.unit, notes + found.notes


def _real_world(
    volume: Volume, stored: np.ndarray, pet: Literal["suv", "stored"]
) -> tuple[list[RealWorld], tuple[str, ...]]:
    """The mapping of each slice where that is what counts; none, with a note, where it is not."""
    wholes = {path: dataset(path) for path in volume.files}
    found: list[RealWorld] = []
    notes: tuple[str, ...] = ()
    for one, pixels in zip(volume.slices, stored, strict=True):
        whole = wholes[one.path]
        groups = whole.get("PerFrameFunctionalGroupsSequence")
        frame = groups[one.frame] if groups and one.frame is not None else None
        mapping, notes = real_world_value(whole, pet, frame, pixels)
        if mapping is None:
            return [], notes
        found.append(mapping)
    return found, notes
