"""What can be wrong or odd with a data set, by kind."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["KINDS", "Finding", "Severity"]

Severity = Literal["problem", "note"]

KINDS: dict[str, str] = {
    "layout": "A file, line or case of the data set does not hold together, and is left out.",
    "unreadable": "An image or a mask cannot be read.",
    "crash": "Reading a case failed in a way that medseg has no words for.",
    "grid_header": "A mask has as many voxels as its image, but its header places them elsewhere.",
    "grid_resample": "A mask overlaps its image in space, but on another grid.",
    "grid_size": "A mask is of another size than its image, and nothing says how it lies on it.",
    "duplicate": "The same image more than once, voxel by voxel.",
    "near_duplicate": "The same image more than once, compressed, resized, mirrored or of another contrast.",
    "duplicate_across_splits": "One image in training and in another part: scores on it mean nothing.",
    "leak": "One patient in more than one part of the fixed split.",
    "undeclared_values": "A mask holds values that no label has.",
    "empty_mask": "A mask in which nothing is labelled.",
    "not_empty": "A mask with labelled voxels, where the data set says that there is nothing to find.",
    "nonfinite": "NaN or infinite intensities.",
    "constant": "An image, or a channel, of one value throughout.",
    "spacing_outlier": "A spacing far from that of the other cases.",
    "size_outlier": "A size far from that of the other cases.",
    "intensity_outlier": "Intensities far from those of the other cases.",
    "dimension": "A picture among volumes, or the reverse.",
    "channels_differ": "Another number of channels than the other cases have.",
    "modality_differs": "Another modality than the other cases have.",
    "orientation": "Axes stored in another order than those of most cases; medseg reads all of them alike.",
    "unlabelled": "Cases without a reference label.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that somebody should look at.

    Args:
        kind: A key of `KINDS`.
        text: What was found, in one sentence, with figures.
        cases: Ids of the cases concerned; none where it is about no single case.
        severity: A "problem" spoils training or scores; a "note" is only worth knowing.
        mend: What to do about it.
    """

    kind: str
    text: str
    cases: tuple[str, ...] = ()
    severity: Severity = "problem"
    mend: str = ""
