"""Headers and voxels in two files of one name: `.hdr` beside `.img`."""

from pathlib import Path

from medseg.errors import UnreadableFileError
from medseg.io import formats

__all__ = ["parts"]


def parts(path: Path) -> tuple[Path, Path]:
    """The file with the header and the file with the voxels: the same one, unless the name is that of a pair.

    Raises:
        UnreadableFileError: The other file of a pair is missing.
    """
    own = formats.ending(path)
    if own not in formats.PAIRS:
        return path, path
    is_header = own.startswith(".hdr")
    other = formats.partner(path)
    if other is None:
        wanted = formats.stem(path) + (".img" if is_header else ".hdr")
        found = "is a header without its voxels" if is_header else "is voxels without their header"
        if not is_header and formats.is_dicom(path):
            raise UnreadableFileError(path, "is DICOM by content", "Give it the ending .dcm.")
        raise UnreadableFileError(path, found, f"Put {wanted} into the same folder.", f"{wanted} beside it")
    return (path, other) if is_header else (other, path)
