"""CSV files with drawn shapes: which kind one is, its columns say."""

from pathlib import Path

from medseg.errors import UnreadableFileError
from medseg.io.annotations import mini_mias, via
from medseg.io.annotations.files import parsed_once, rows_of
from medseg.io.annotations.shapes import Drawing

__all__ = ["drawing"]


@parsed_once
def _names(path: Path) -> tuple[str, ...]:
    return rows_of(path)[0]


def drawing(path: Path, inside: str) -> Drawing:
    """What is drawn on one image.

    Raises:
        UnreadableFileError: The file is broken, or a table of another kind.
        InputError: It says nothing of such an image.
    """
    names = _names(path)
    for kind in (via, mini_mias):
        if kind.is_table(names):
            return kind.drawing(path, inside)
    raise UnreadableFileError(
        path, f"has the columns {', '.join(names)}", "Pass a label map, or such a table.", "a table of VIA or mini-MIAS"
    )
