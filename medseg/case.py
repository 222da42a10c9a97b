"""One thing to segment: where its files are and whose they are. No pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import MedsegError

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
        structures: Where each of `masks` shows one structure by its voxels that are not 0: the structures' names, in
            the order of `masks`. Empty where the masks hold file values, or name their structures themselves.
        annotated: Names of the structures (where there are none, of the labels) that somebody looked for in this
            case; `None` for all of them. Others are unknown here, not absent.
        readers: The masks of several readers by the reader's name, in place of `masks`.
        negative: The data set says that there is nothing to find: an empty mask is meant, and none is needed.
        mask_step: Where the data set draws on a smaller copy: the pixels of the image along each axis for which one
            pixel of a mask stands, 2 for masks of half the size.
        refusal: Why it cannot be segmented, where that was known when it was listed: reading its image raises it.
    """

    id: str
    patient: str
    images: tuple[Path, ...]
    masks: tuple[Path, ...] = ()
    split: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    spacing_mm: tuple[float, ...] | None = None
    structures: tuple[str, ...] = ()
    annotated: tuple[str, ...] | None = None
    readers: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    negative: bool = False
    mask_step: int = 1
    refusal: MedsegError | None = None

    @property
    def labelled(self) -> bool:
        """Whether there is a reference: a mask, masks of readers, or the word that there is nothing to find."""
        return bool(self.masks or self.readers or self.negative)
