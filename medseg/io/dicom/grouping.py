"""Which slices of a series belong together: those in one place, and what tells apart those at the same positions."""

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

from medseg.errors import GeometryError, UnreadableFileError
from medseg.io.archive import size_of
from medseg.io.dicom.content import read_bytes
from medseg.io.dicom.grid import COSINE, SPACING_MM, numbers
from medseg.io.dicom.headers import Slice

__all__ = ["by_place", "is_localizer", "told_apart", "without_copies"]

_SAME_SPACING = 1e-4
# What can tell volumes at one place apart, the first that does so being the one.
_TELLING = (
    "EchoTime", "EchoNumbers", "ImageType", "ComplexImageComponent", "TemporalPositionIdentifier", "TriggerTime",
    "DiffusionBValue", "DiffusionGradientOrientation", "StackID", "AcquisitionNumber", "AcquisitionTime",
)  # fmt: skip


def by_place(slices: Iterable[Slice]) -> list[tuple[list[Slice], str]]:
    """Slices that could lie in one stack, and what tells these from the others."""
    groups: list[tuple[tuple[Hashable, ...], list[Slice]]] = []
    for one in slices:
        exact = _exact_place(one)
        like = next((group for place, group in groups if place == exact and _alike(group[0], one)), None)
        if like is None:
            groups.append((exact, [one]))
        else:
            like.append(one)
    return [(group, _plane(group[0])) for _place, group in groups]


def _exact_place(one: Slice) -> tuple[Hashable, ...]:
    header = one.header
    names = ("Modality", "Rows", "Columns", "SamplesPerPixel", "FrameOfReferenceUID")
    return (*(header.get(name) for name in names), is_localizer(one))


def _alike(one: Slice, other: Slice) -> bool:
    """Whether direction and pixel spacing agree."""
    for name, tolerance in (("ImageOrientationPatient", COSINE), ("PixelSpacing", _SAME_SPACING)):
        here, there = one.header.get(name), other.header.get(name)
        if here == there:
            continue
        if not (isinstance(here, tuple) and isinstance(there, tuple) and len(here) == len(there)):
            return False
        if not all(isinstance(value, (int, float)) for value in (*here, *there)):
            return False
        if max(abs(a - b) for a, b in zip(here, there, strict=True)) > tolerance:
            return False
    return True


def _plane(one: Slice) -> str:
    """The name of the plane nearest to a slice's, with its size: what a radiologist would call the group."""
    size = f"{one.header.get('Columns')}×{one.header.get('Rows')}"
    try:
        x1, y1, z1, x2, y2, z2 = numbers(one, "ImageOrientationPatient", 6)
    except GeometryError:
        return size
    normal = [abs(y1 * z2 - z1 * y2), abs(z1 * x2 - x1 * z2), abs(x1 * y2 - y1 * x2)]
    return f"{('sagittal', 'coronal', 'axial')[normal.index(max(normal))]} {size}"


def is_localizer(one: Slice) -> bool:
    """Whether its ImageType says that it is a scout."""
    kind = one.header.get("ImageType") or ()
    return "LOCALIZER" in (kind if isinstance(kind, tuple) else (kind,))


def without_copies(slices: list[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """Each object once: files are copied into study folders more often than one would think.

    Raises:
        UnreadableFileError: Two files claim to be one object and have other pixels.
    """
    kept: dict[Hashable, Slice] = {}
    copies: dict[Path, Path] = {}
    for one in slices:
        uid = one.header.get("SOPInstanceUID")
        key = (uid, one.frame, one.header.get("ImagePositionPatient")) if uid else (str(one.path), one.frame)
        before = kept.setdefault(key, one)
        if before is not one:
            copies[one.path] = before.path
            if one.frame in (None, 0) and _pixel_bytes(before) != _pixel_bytes(one):
                raise UnreadableFileError(
                    one.path, f"has the SOPInstanceUID of {before.path} and other pixels", "Remove the wrong one."
                )
    notes = (f"copies of its files were left out ({_some(copies)})",) if copies else ()
    return list(kept.values()), notes


def _pixel_bytes(one: Slice) -> bytes:
    """The file from its pixels on, which are the same in copies with other headers."""
    return read_bytes(one.path, size_of(one.path), max(one.pixels_at or 0, 0), one.deflated_at)


def _some(files: Iterable[Path]) -> str:
    names = sorted(str(path) for path in files)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def told_apart(slices: list[Slice], telling: Sequence[str] = _TELLING) -> list[tuple[str, list[Slice]]]:
    """Groups without repeated positions, and what tells each apart; one group where nothing does."""
    repeats = _repeats(slices)
    if repeats == 1:
        return [("", slices)]
    for at, keyword in enumerate(telling):
        groups: dict[Any, list[Slice]] = {}
        for one in slices:
            groups.setdefault(one.header.get(keyword), []).append(one)
        # A time that every slice has for itself would split a series into single slices: not more groups than
        # slices at the fullest place, and each of them thinner there.
        if 1 < len(groups) <= repeats and all(_repeats(group) < repeats for group in groups.values()):
            return [
                (", ".join(part for part in (f"{keyword} {_shown(value)}", inner) if part), rest)
                for value, group in sorted(groups.items(), key=lambda item: _order(item[0]))
                for inner, rest in told_apart(group, telling[at + 1 :])
            ]
    return [("", slices)]


def _repeats(slices: Sequence[Slice]) -> int:
    """The largest number of slices at one position, to the tolerance of a hundredth of a millimetre."""
    found: dict[Hashable, int] = {}
    for one in slices:
        try:
            position: Hashable = tuple(round(n / SPACING_MM) for n in numbers(one, "ImagePositionPatient", 3))
        except GeometryError:
            return 1  # there is no place to compare; the grid says what is missing
        found[position] = found.get(position, 0) + 1
    return max(found.values())


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "/".join(_shown(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _order(value: Any) -> tuple[bool, bool, Any]:
    """A sorting key for numbers, texts, tuples and nothing at all."""
    number = isinstance(value, (int, float))
    return value is not None, not number, value if number else str(value)
