"""A tree of DICOM files scanned once, headers only: its series, their volumes, and what could not be read."""

import html
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg import address
from medseg.errors import MedsegError, UnreadableFileError
from medseg.image import Image
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.files import files_of
from medseg.io.dicom.headers import Slice, read_header
from medseg.io.dicom.volumes import Volume, volumes_of
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent

if TYPE_CHECKING:
    import pandas

__all__ = ["DicomTree", "Series", "scan_dicom"]

_NOT_IMAGES = ("RTSTRUCT", "RTDOSE", "RTPLAN", "RTRECORD", "SR", "PR", "KO", "REG", "RWV", "AU", "ECG", "DOC", "SEG")
_BATCH = 200  # files a task
_PARALLEL_FROM = 2000  # below, starting workers takes longer than the scan


@dataclass(frozen=True, eq=False)
class Series:
    """The objects of one SeriesInstanceUID.

    Args:
        uid: Its SeriesInstanceUID.
        header: That of its first file, by DICOM keyword.
        where: The deepest folder that holds all of it.
        volumes: What can be read of it, or the reasons why not.
        addresses: What to pass to `read_image` for each volume.
        others: Its files without an image to segment (SEG, RTSTRUCT, SR, ...).
    """

    uid: str
    header: dict[str, Any]
    where: Path
    volumes: tuple[Volume, ...] = ()
    addresses: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()

    @property
    def modality(self) -> str:
        """DICOM's word for it, such as "CT"."""
        return str(self.header.get("Modality") or "")

    @property
    def description(self) -> str:
        """Its SeriesDescription."""
        return str(self.header.get("SeriesDescription") or "")

    def read(self, volume: int = 0, *, options: ReadOptions | None = None) -> Image:
        """One of its volumes as an image; raises its refusal where it has one."""
        from medseg.io.dicom.series import read_volume

        return read_volume(self.volumes[volume], options or ReadOptions())


@dataclass(frozen=True, eq=False)
class DicomTree:
    """What a scan found.

    Args:
        root: The folder, DICOMDIR or file that was scanned.
        series: All series, sorted by patient, study and number.
        problems: Files that claim to be DICOM and cannot be read, with the error of each.
        files: How many files were looked into.
        foreign: How many of them are no DICOM.
    """

    root: Path
    series: tuple[Series, ...]
    problems: tuple[tuple[Path, MedsegError], ...]
    files: int
    foreign: int

    @cached_property
    def volumes(self) -> tuple[tuple[Path, Volume], ...]:
        """Every volume of every series with its address."""
        return tuple(pair for series in self.series for pair in zip(series.addresses, series.volumes, strict=True))

    @property
    def table(self) -> "pandas.DataFrame":
        """One row a volume, object without image, or unreadable file; `status` is "readable", "refused" or "object"."""
        import pandas as pd

        rows = [row for series in self.series for row in _rows(series)]
        rows += [{"status": "refused", "note": str(error), "address": str(path)} for path, error in self.problems]
        return pd.DataFrame(rows, columns=_COLUMNS)

    def __repr__(self) -> str:
        return (
            f"DicomTree({self.root}: {self.files - self.foreign} DICOM files, {len(self.series)} series, "
            f"{len(self.volumes)} volumes, {len(self.problems)} unreadable files)"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.table.to_html(index=False, max_rows=50)}"


_COLUMNS = [
    "patient", "study_date", "study", "series", "number", "modality", "description", "kind", "volume", "files",
    "slices", "size", "spacing_mm", "orientation", "status", "note", "address",
]  # fmt: skip


def scan_dicom(
    source: str | Path | Sequence[Path], *, jobs: int | None = None, reporter: Reporter | None = None
) -> DicomTree:
    """Scan a tree of any shape: nested, without endings, several patients, gzipped, or listed by a DICOMDIR.

    Only headers are read. Large trees are scanned by several processes.

    Args:
        source: A folder with everything below it, a DICOMDIR, a file, or files.
        jobs: Processes; as many as there are processors where left out.
        reporter: Shows the progress.

    Raises:
        InputError: The path does not exist or cannot be opened.
    """
    given = Path(source) if isinstance(source, (str, Path)) else [Path(path) for path in source]
    files = files_of(given)
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
    return DicomTree(root, _series(slices, problems), tuple(problems), len(files), foreign)


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
    from pydicom.uid import UID

    kind = one.header.get("SOPClassUID") or one.header.get("MediaStorageSOPClassUID")
    return not kind or "Image Storage" in UID(str(kind)).name


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
    images = [one for one in group if isinstance(one.header.get("Rows"), int) and one.modality not in _NOT_IMAGES]
    volumes = [_marked(volume, broken) for volume in volumes_of(images)]
    others = tuple(one.path for one in group if one not in images)
    return Series(group[0].series, group[0].header, _common([one.path for one in group]), tuple(volumes), (), others)


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


def _rows(one: Series) -> Iterator[dict[str, Any]]:
    about = {
        "patient": one.header.get("PatientID"),
        "study_date": one.header.get("StudyDate"),
        "study": one.header.get("StudyInstanceUID"),
        "series": one.uid,
        "number": one.header.get("SeriesNumber"),
        "modality": one.modality,
        "description": one.description,
    }
    for volume, where in zip(one.volumes, one.addresses, strict=True):
        yield about | _described(volume) | {"address": str(where)}
    if one.others:
        yield about | {"kind": one.modality or "object", "files": len(one.others), "status": "object",
                       "address": str(one.others[0] if len(one.others) == 1 else one.where)}  # fmt: skip


def _described(volume: Volume) -> dict[str, Any]:
    grid, header = volume.geometry, volume.first.header
    size = grid.shape if grid else (header.get("Columns"), header.get("Rows"))
    tilt = f"gantry tilt ({volume.tilt}): read with untilt" if volume.tilt else ""
    note = str(volume.refusal) if volume.refusal else "; ".join(filter(None, (tilt, *volume.notes)))
    return {
        "kind": volume.kind,
        "volume": volume.key,
        "files": len(volume.files),
        "slices": len(volume.slices),
        "size": "×".join(str(n) for n in size),
        "spacing_mm": "×".join(f"{step:.4g}" for step in grid.step) if grid else "",
        "orientation": grid.orientation if grid else "",
        "status": "refused" if volume.refusal or volume.tilt else "readable",
        "note": note,
    }
