"""One thing to segment: where its files are and whose they are. No pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """One image to segment, perhaps with its reference label.

    Args:
        id: Unique within a data set and safe as a folder name.
        patient: Whose it is; splits keep patients together.
        images: One file, folder of a DICOM series, or address inside one (`medseg.address`), for each channel.
        masks: The files of the reference mask: none, one, or several whose labels are united.
        spacing_mm: Pixel spacing that the data set states for images whose files have none: along each axis, or one
            number for all.
        split: "train", "validation" or "test" where the data set fixes it, else empty.
        columns: Everything else that a case table says of it.
    """

    id: str
    patient: str
    images: tuple[Path, ...]
    masks: tuple[Path, ...] = ()
    split: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    spacing_mm: tuple[float, ...] | None = None
