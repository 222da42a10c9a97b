"""Scans a tree of DICOM files once, headers only, with several processes where it is large."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from medseg import address
from medseg.errors import MedsegError, UnreadableFileError
from medseg.io.archive import is_archive
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.files import files_of
from medseg.io.dicom.headers import Slice, read_header
from medseg.io.dicom.tree import DicomTree, Series
from medseg.io.dicom.volumes import Volume, volumes_of
from medseg.reporting import Reporter, Silent

__all__ = ["scan_dicom"]

_NOT_IMAGES = ("RTSTRUCT", "RTDOSE", "RTPLAN", "RTRECORD", "SR", "PR", "KO", "REG", "RWV", "AU", "ECG", "DOC", "SEG")
_BATCH = 200  # files a task
_PARALLEL_FROM = 2000  # below, starting workers takes longer than the scan
T = TypeVar("T")


def scan_dicom(
    source: str | Path | Sequence[Path], *, jobs: int | None = None, reporter: Reporter | None = None
) -> DicomTree:
    """Scan a tree of any shape: nested, without endings, several patients, gzipped, or listed by a DICOMDIR.

    Only headers are read. Large trees are scanned by several processes.

    Args:
        source: A folder with everything below it, a zip, a DICOMDIR, a file, or files.
        jobs: Processes; as many as there are processors where left out.
        reporter: Shows the progress.

    Raises:
        InputError: The path does not exist or cannot be opened.
    """
    given = Path(source) if isinstance(source, (str, Path)) else [Path(path) for path in source]
    files = _quietly(lambda: files_of(given))
    root = given if isinstance(given, Path) else _common(files)
    slices: list[Slice] = []
    problems: list[tuple[Path, MedsegError]] = []
    foreign = 0
    found = _headers(files, jobs or os.cpu_count() or 1)
    for path, result in (reporter or Silent()).track(found, "Scanning", len(files)):
        if isinstance(result, MedsegError):
            problems.append((path, result))
        elif result is None:
            foreign += 1
        else:
            slices.append(result)
    found_series = _quietly(lambda: _series(slices, problems))
    if isinstance(given, Path) and is_archive(given):
        found_series = _inside(given, found_series)
    return DicomTree(root, found_series, tuple(problems), len(files), foreign)


def _inside(archive: Path, found: Sequence[Series]) -> tuple[Series, ...]:
    """Series of a zip, whose volumes are addressed by it: a folder in there is none that can be passed on."""
    return tuple(
        replace(
            one,
            where=archive,
            addresses=tuple(
                address.join(archive, f"{one.uid}/{number}" if len(one.volumes) > 1 else one.uid)
                for number in range(len(one.volumes))
            ),
        )
        for one in found
    )


def _quietly(work: Callable[[], T]) -> T:
    """A result without what pydicom warns of meanwhile: who reads a volume is told then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


def _headers(files: Sequence[Path], jobs: int) -> Iterator[tuple[Path, Slice | MedsegError | None]]:
    """The header of each file in order, or what is wrong with it."""
    if jobs == 1 or len(files) < _PARALLEL_FROM:
        yield from (_header(path) for path in files)
        return
    from joblib import Parallel, delayed

    batches = [files[at : at + _BATCH] for at in range(0, len(files), _BATCH)]
    # joblib's processes do not import the caller's script again, which therefore needs no `if __name__ == ...`.
    for batch in Parallel(n_jobs=jobs, return_as="generator")(delayed(_header_batch)(batch) for batch in batches):
        yield from batch


def _header_batch(files: Sequence[Path]) -> list[tuple[Path, Slice | MedsegError | None]]:
    return [_header(path) for path in files]


def _header(path: Path) -> tuple[Path, Slice | MedsegError | None]:
    try:
        one = read_header(path)
        if one is not None and one.pixels_at is None and _should_have_pixels(one):
            raise UnreadableFileError(path, "ends before its pixels", EXPORT_AGAIN)
        return path, one
    except MedsegError as error:
        return path, error


def _should_have_pixels(one: Slice) -> bool:
    """Whether a file without pixels was cut off, which must not go unnoticed."""
    if one.modality in _NOT_IMAGES:
        return False
    if "Rows" in one.header:
        return True
    from pydicom.uid import UID_dictionary

    kind = one.header.get("SOPClassUID") or one.header.get("MediaStorageSOPClassUID")
    return not kind or "Image Storage" in UID_dictionary.get(str(kind), ("",))[0]


def _series(slices: Iterable[Slice], problems: Sequence[tuple[Path, MedsegError]]) -> tuple[Series, ...]:
    groups: dict[tuple[Any, ...], list[Slice]] = {}
    for one in slices:
        groups.setdefault((one.header.get("PatientID"), one.header.get("StudyInstanceUID"), one.series), []).append(one)
    broken = _broken_beside(groups.values(), problems)
    found = sorted((_one_series(group, broken) for group in groups.values()), key=_place)
    homes = [volume.home for one in found for volume in one.volumes]
    inside = Counter(place for home in homes for place in (home, *home.parents))
    return tuple(replace(one, addresses=tuple(_addresses(one, inside))) for one in found)


def _one_series(group: list[Slice], broken: Mapping[Path, MedsegError]) -> Series:
    images = [one for one in group if _is_image(one)]
    volumes = [_marked(volume, broken) for volume in volumes_of(images)]
    others = tuple(one.path for one in group if not _is_image(one))
    return Series(group[0].series, group[0].header, _common([one.path for one in group]), tuple(volumes), (), others)


def _is_image(one: Slice) -> bool:
    return isinstance(one.header.get("Rows"), int) and one.modality not in _NOT_IMAGES


def _broken_beside(
    groups: Iterable[Sequence[Slice]], problems: Sequence[tuple[Path, MedsegError]]
) -> dict[Path, MedsegError]:
    """The unreadable file of each folder where all else is one series, of which it therefore is a part."""
    counted = Counter(folder for group in groups for folder in {one.path.parent for one in group})
    return {path.parent: error for path, error in problems if counted[path.parent] == 1}


def _marked(volume: Volume, broken: Mapping[Path, MedsegError]) -> Volume:
    """Refused where one of its slices cannot be read: a volume must not lose one silently."""
    error = next((broken[path.parent] for path in volume.files if path.parent in broken), None)
    return volume if error is None or volume.flat else replace(volume, refusal=error)


def _addresses(one: Series, inside: Counter[Path]) -> Iterator[Path]:
    """What to pass to `read_image`: the file or folder alone where it holds one volume, else an address inside."""
    for number, volume in enumerate(one.volumes):
        if inside[volume.home] == 1:
            yield volume.home
        elif len(volume.files) == 1:
            yield address.join(volume.home, str(sum(other.home == volume.home for other in one.volumes[:number])))
        else:
            yield address.join(volume.home, f"{one.uid}/{number}" if len(one.volumes) > 1 else one.uid)


def _common(files: Sequence[Path]) -> Path:
    """The deepest folder that holds all files."""
    return Path(os.path.commonpath([path.parent for path in files])) if files else Path()


def _place(one: Series) -> tuple[str, str, int, str]:
    number = one.header.get("SeriesNumber")
    return (
        str(one.header.get("PatientID") or ""),
        str(one.header.get("StudyInstanceUID") or ""),
        number if isinstance(number, int) else 0,
        one.uid,
    )
