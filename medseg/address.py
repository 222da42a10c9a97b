"""Addresses of what lies inside a file or folder: `PATH:/INSIDE`.

`scan.h5:/case1/image` is a dataset of an HDF5 file, `bold.nii.gz:/3` a volume of a time series, `seg.dcm:/liver`
one segment, `study:/1.2.840.113619…/2` the second volume of a DICOM series in a folder. An address is a path to
everything that only passes it on.
"""

from pathlib import Path

from medseg.errors import InputError

__all__ = ["exists", "is_file", "join", "refuse_inside", "split"]

_MARK = ":/"


def split(source: str | Path) -> tuple[Path, str]:
    """The file or folder on disk and what is asked for inside it, "" for all of it.

    What exists under its whole name is never split; of several marks, the first that leaves an existing path counts.
    """
    text = str(source)
    if _MARK not in text or _there(Path(text)):
        return Path(text), ""
    at = text.find(_MARK)
    while at >= 0:
        if _there(Path(text[:at])):
            return Path(text[:at]), text[at + len(_MARK) :].strip("/")
        at = text.find(_MARK, at + 1)
    return Path(text), ""


def join(path: str | Path, inside: str) -> Path:
    """The address of something inside a file or folder."""
    return Path(f"{path}{_MARK}{inside}") if inside else Path(path)


def exists(source: str | Path) -> bool:
    """Whether the file or folder of an address is there."""
    return _there(split(source)[0])


def is_file(path: Path) -> bool:
    """Whether a path is that of a file, and no folder, pipe or device."""
    return _there(path) and path.is_file()


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no disk can hold, or a folder that may not be looked into
        return False


def refuse_inside(path: Path, inside: str) -> None:
    """Refuse to look for something inside a file that holds one image.

    Raises:
        InputError: `inside` is not empty.
    """
    if inside:
        raise InputError(join(path, inside), "names something inside a file of one image", f"Give {path.name} alone.")
