"""What the files of a case hold, as a short name: the same for the same bytes, wherever and however old they are."""

import glob
import hashlib
from functools import lru_cache
from pathlib import Path

from medseg import address
from medseg.case import Case

__all__ = ["case_content", "short_key"]

_HEADERS = {".hdr", ".img", ".mhd", ".nhdr"}  # formats whose voxels may lie in a file of the same stem
_CHUNK = 1 << 20


def case_content(case: Case) -> str:
    """A hash over the bytes of all files of a case, and over what its data set says of how to read them."""
    said = (case.spacing_mm, case.structures, case.annotated, case.negative, case.mask_step, sorted(case.readers))
    parts = [repr(said)]
    sources = (*case.images, *case.masks, *(mask for name in sorted(case.readers) for mask in case.readers[name]))
    for source in sources:
        path, inside = address.split(source)
        parts += [inside, *(f"{file.name} {_file_content(file)}" for file in _files(path))]
    return short_key(*parts)


def short_key(*parts: str) -> str:
    """Twelve hexadecimal digits for these words in this order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    """The file itself, with its voxels where it is but a header; of a folder (a DICOM series) all below."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if path.suffix in _HEADERS:
        return sorted(path.parent.glob(f"{glob.escape(path.stem)}.*"))
    return [path] if path.is_file() else []


def _file_content(path: Path) -> str:
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _digest(path: Path, _size: int, _time: int) -> str:
    """Read once in a process: many cases may lie in one HDF5 file, and are asked for more than once."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()
