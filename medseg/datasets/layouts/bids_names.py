"""Names of files in BIDS: `sub-01_ses-02_run-1_T1w.nii.gz` as its entities, its suffix and its ending."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medseg.io import formats

__all__ = ["BidsFile", "bids_files", "image_stem"]

# Entities that derivatives add to the name of the image that they were made from.
_ADDED = ("label", "desc", "space", "res", "den", "seg", "atlas", "hemi", "rater")
_ENTITY = re.compile(r"([a-zA-Z]+)-([a-zA-Z0-9+]+)")


@dataclass(frozen=True)
class BidsFile:
    """One file of a subject.

    Args:
        path: Where it is.
        entities: `sub`, `ses`, `run`, ... in the order of the name.
        suffix: What it is: "T1w", "pet", "mask", ...
    """

    path: Path
    entities: dict[str, str]
    suffix: str

    @property
    def place(self) -> tuple[str, ...]:
        """Whose image it belongs to: subject, session and run, as they stand in the name."""
        return tuple(f"{key}-{self.entities[key]}" for key in ("sub", "ses", "run") if key in self.entities)


def bids_files(root: Path) -> Iterator[BidsFile]:
    """The images and masks below the `sub-*` folders of a folder, in order of their names."""
    for subject in sorted(root.glob("sub-*")):
        for path in sorted(subject.rglob("sub-*.nii*")) if subject.is_dir() else ():
            if formats.ending(path) in formats.NIFTI and path.is_file():
                *entities, suffix = formats.stem(path).split("_")
                found = [_ENTITY.fullmatch(entity) for entity in entities]
                yield BidsFile(path, {known[1]: known[2] for known in found if known}, suffix)


def image_stem(file: BidsFile) -> tuple[tuple[str, str], ...]:
    """The entities that a mask has from its image."""
    return tuple(sorted((key, value) for key, value in file.entities.items() if key not in _ADDED))
