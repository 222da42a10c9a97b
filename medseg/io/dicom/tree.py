"""What a scan of DICOM files found: series, their volumes, and what could not be read."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.errors import MedsegError
from medseg.image import Image
from medseg.io.dicom.volumes import Volume
from medseg.options import ReadOptions

if TYPE_CHECKING:
    import pandas

__all__ = ["SHOWN", "DicomTree", "Series"]


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
        # Counts stay whole numbers beside the rows of unreadable files, which have none.
        return pd.DataFrame(rows, columns=_COLUMNS).astype({"files": "Int64", "slices": "Int64"})

    def __repr__(self) -> str:
        return (
            f"DicomTree({self.root}: {self.files - self.foreign} DICOM files, {len(self.series)} series, "
            f"{len(self.volumes)} volumes, {len(self.problems)} unreadable files)"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.table[[*SHOWN, 'note']].to_html(index=False, max_rows=50)}"


_COLUMNS = [
    "patient", "study_date", "study", "series", "number", "modality", "description", "kind", "volume", "files",
    "slices", "size", "spacing_mm", "orientation", "status", "note", "address",
]  # fmt: skip
SHOWN = [
    "patient", "number", "modality", "description", "kind", "volume", "files", "size", "spacing_mm", "status",
    "address",
]  # fmt: skip


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
