"""Masks of labels that may overlap as files: one for each, `mask_LABEL.nii.gz`, 1 where the label is and else 0."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg.errors import UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import formats
from medseg.io.label_map import LabelMap
from medseg.io.masks import mask_on_grid, read_label_map
from medseg.io.writing import write_mask
from medseg.labels import Labels

__all__ = ["label_file_stems", "read_label_files", "write_label_files"]

_PREFIX = "mask_"


def label_file_stems(names: Sequence[str]) -> tuple[str, ...]:
    """Names of the files of labels without their ending, safe on any file system and told apart in any case.

    What is neither letter, digit, '.', '_' nor '-' becomes '_'. Labels that are alike then get a mark of their own,
    which does not depend on their order.
    """
    safe = [_PREFIX + re.sub(r"[^A-Za-z0-9._-]", "_", name) for name in names]
    count = Counter(stem.casefold() for stem in safe)
    return tuple(
        stem if count[stem.casefold()] == 1 else f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for stem, name in zip(safe, names, strict=True)
    )


def write_label_files(folder: Path, segmentation: Segmentation, ending: str) -> tuple[Path, ...]:
    """Write the channels of labels that may overlap, each as `write_mask` writes a label map.

    Args:
        folder: Where the files lie.
        segmentation: Channels, shape (labels, x, y[, z]).
        ending: ".nii.gz", ".png" ...

    Raises:
        OutputError: The ending does not fit, or a file cannot be written.
    """
    labels, written = segmentation.labels, []
    for label, stem, channel in zip(labels.labels, label_file_stems(labels.names), segmentation.mask, strict=True):
        alone = Labels((replace(label, values=(1,)),))
        drawn = (channel == 1).view(np.uint8)
        one = replace(segmentation, mask=drawn, labels=alone, probabilities=None)
        written.append(folder / f"{stem}{ending}")
        write_mask(written[-1], one)
    return tuple(written)


def read_label_files(folder: Path, labels: Labels, on: Geometry | None = None) -> LabelMap:
    """What `write_label_files` wrote: channels of 0 and 1, shape (labels, x, y[, z]), and their grid.

    Args:
        folder: Where the files lie.
        labels: Whose they are.
        on: The grid on which the result lies; the first file's where left out.

    Raises:
        UnreadableFileError: A label has no file, or one that cannot be read.
        GridMismatchError: The files do not lie on one grid.
    """
    channels: list[np.ndarray] = []
    for name, stem in zip(labels.names, label_file_stems(labels.names), strict=True):
        path = next(
            (path for path in sorted(folder.glob(f"{stem}.*")) if path.name == stem + formats.ending(path)), None
        )
        if path is None:
            mend = "Give a file for each label, or name those that are there as labels."
            raise UnreadableFileError(folder, f"no file of the label {name!r}", mend, f"{stem}.nii.gz or {stem}.png")
        found = read_label_map(path, on=on)
        on = on or found.geometry
        channels.append((mask_on_grid(found.mask, found.geometry, on, path) != 0).astype(np.uint8))
    assert on is not None  # there is a label at least
    return LabelMap(np.stack(channels), on)
