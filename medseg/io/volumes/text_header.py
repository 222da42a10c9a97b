"""What NRRD and MetaImage have in common: a header in text, data in the same file or beside it, an LPS world."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from medseg.errors import GeometryError, UnreadableFileError
from medseg.geometry import UNKNOWN, Geometry
from medseg.io.volumes.stated import named_geometry

__all__ = ["beside", "fields", "grid", "numbers", "refused", "sizes", "start_of", "wholly_mm"]

_LONGEST_HEADER = 1 << 20
_MM = ("", "mm", "millimeter", "millimeters", "millimetre", "?", "none")
_OFF_BLOCK = 1e-9


def start_of(path: Path) -> bytes:
    """The first mebibyte of a file.

    Raises:
        UnreadableFileError: It is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_HEADER)
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Check its permissions.") from error


def fields(text: bytes, separator: str) -> dict[str, str]:
    """Names in lower case without spaces, and values; the first of equal names counts.

    Args:
        text: The lines of the header.
        separator: A regular expression for what stands between name and value.
    """
    found: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines():
        name, *value = re.split(separator, line, maxsplit=1)
        if value and not line.startswith("#"):
            found.setdefault(re.sub(r"\s", "", name).lower(), value[0].strip())
    return found


def sizes(path: Path, text: str) -> tuple[int, ...]:
    """The lengths of two to four axes; a trailing fourth axis of length 1 is dropped.

    Raises:
        UnreadableFileError: They are not whole numbers above 0, or too many.
    """
    parts = text.split()
    if not 2 <= len(parts) <= 4 or not all(re.fullmatch(r"0*[1-9][0-9]{0,11}", part) for part in parts):
        raise refused(path, f"declares the size {text[:40]!r}")
    lengths = tuple(int(part) for part in parts)
    return lengths[:3] if lengths[3:] == (1,) else lengths


def numbers(path: Path, text: str, count: int) -> np.ndarray:
    """So many real numbers.

    Raises:
        GeometryError: There are more or fewer, or something else.
    """
    try:
        found = np.array([float(part) for part in text.split()])
    except ValueError:
        found = np.empty(0)
    if found.size != count:
        raise GeometryError(path, f"states {text[:60]!r}", "Mend the header.", f"{count} numbers")
    return found


def grid(
    path: Path, shape: Sequence[int], axes: np.ndarray, origin: np.ndarray, known: bool, towards: Sequence[int]
) -> Geometry:
    """The grid of one volume, turned to RAS+.

    Args:
        path: The file.
        shape: Of all axes; a fourth one counts volumes.
        axes: One column an axis: its step in the file's world, shape (n, n) for n axes.
        origin: World position of the first voxel, shape (n,).
        known: Whether the header states a spacing.
        towards: For x, y, z of the file's world: -1 where it runs against ours, which is RAS+.

    Raises:
        GeometryError: The grid is singular or not finite, or the fourth axis runs through space.
    """
    ndim = min(len(shape), 3)
    if np.abs(np.concatenate([axes[ndim:, :ndim].ravel(), axes[:ndim, ndim:].ravel()])).max(initial=0) > _OFF_BLOCK:
        raise GeometryError(path, "has a fourth axis that runs through space", "Write the volumes as one file each.")
    affine = np.eye(ndim + 1)
    affine[:ndim, :ndim], affine[:ndim, ndim] = axes[:ndim, :ndim], origin[:ndim]
    if ndim == 3:  # a picture has no patient space to turn
        affine[:3] *= np.reshape(towards, (3, 1))
    return named_geometry(path, shape[:ndim], affine, "affine" if known else UNKNOWN)


def beside(path: Path, name: str) -> Path:
    """The one file in or below the header's folder that it names.

    Raises:
        UnreadableFileError: It names several, none, one elsewhere, or one that is missing.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if name.upper().startswith("LIST") or "%" in name:
        raise refused(path, f"is spread over several files ({name[:60]})")
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise refused(path, f"points out of its folder ({name[:60]})")
    data = path.parent / name
    if not name or "\0" in name or len(name) > 255 or not data.is_file():
        raise refused(path, f"is a header without its voxels ({name[:60] or 'no file'!r} is missing)")
    return data


def wholly_mm(path: Path, unit: str) -> None:
    """Refuse lengths that are not in mm.

    Raises:
        GeometryError: They are not.
    """
    if unit.strip().lower() not in _MM:
        raise GeometryError(path, f"states lengths in {unit[:20]!r}", "Write it again in mm.", "mm")


def refused(path: Path, found: str) -> UnreadableFileError:
    """What to raise for a header that cannot be followed."""
    return UnreadableFileError(path, found, "Write it again as one file: .nrrd, .mha or .nii.gz.")
