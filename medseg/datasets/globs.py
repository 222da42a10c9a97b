"""Patterns such as `studies/2024*/CT` become paths, where the shell left them as they were."""

import glob
from collections.abc import Iterable
from pathlib import Path

from medseg import address
from medseg.errors import InputError

__all__ = ["expanded"]

_INSIDE = ":/"


def expanded(inputs: Iterable[str | Path]) -> list[Path]:
    """The inputs, each pattern replaced by what it matches, sorted; `**` stands for any number of folders.

    What exists by its whole name is no pattern. An address inside, `scans/*.nii.gz:/2`, goes to each match.

    Raises:
        InputError: A pattern matches nothing.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        found.update(dict.fromkeys(_matches(Path(given))))
    return list(found)


def _matches(given: Path) -> list[Path]:
    text = str(given)
    if not glob.has_magic(text) or address.exists(given):
        return [given]
    pattern, mark, inside = text.partition(_INSIDE)
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - of pathlib's, none may be absolute
    if not matches:
        raise InputError(text, "matches nothing", "Check the pattern, and the folder that it counts from.", "files")
    return [Path(f"{one}{mark}{inside}") for one in matches]
