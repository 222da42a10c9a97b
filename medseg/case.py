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
        images: One file, or folder of a DICOM series, for each channel.
        label: The reference mask, where there is one.
        split: "train", "validation" or "test" where the data set fixes it, else empty.
        columns: Everything else that a case table says of it.
    """

    id: str
    patient: str
    images: tuple[Path, ...]
    label: Path | None = None
    split: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
