"""Brings the series of a study that are asked for into a folder; what is there already is not brought again."""

from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import ArchiveError, MedsegError
from medseg.pacs.archive import Archive, Place
from medseg.pacs.query import Query

__all__ = ["Fetched", "fetch_study"]


@dataclass(frozen=True)
class Fetched:
    """A study on this disk.

    Args:
        study: StudyInstanceUID.
        folder: Holds `<SeriesInstanceUID>/<SOPInstanceUID>.dcm`.
        files: How many, with those that were there.
        new: How many of them came now.
        size: Bytes of all.
        broken: What came broken, by SOPInstanceUID; it lies in quarantine.
    """

    study: str
    folder: Path
    files: int = 0
    new: int = 0
    size: int = 0
    broken: dict[str, MedsegError] = field(default_factory=dict)


def fetch_study(archive: Archive, study: str, query: Query, folder: Path, quarantine: Path) -> Fetched:
    """Fetch the series of a study that a query means.

    Args:
        archive: That has it.
        study: StudyInstanceUID.
        query: Says which series.
        folder: Of the study.
        quarantine: Gets what comes broken, below the UID of its study.

    Raises:
        ArchiveError: It cannot be reached, or has not given all that it told of; what came is kept.
        OutputError: The folder cannot be written.
    """
    files = new = size = 0
    broken: dict[str, MedsegError] = {}
    for series in archive.series(study, query):
        if not query.has_series(series.values):
            continue
        place = Place(folder / series.uid, quarantine / folder.name)
        told = archive.instances(study, series.uid)
        wanted = [uid for uid in told if not (place.folder / f"{uid}.dcm").is_file()]
        broken |= archive.fetch(study, series.uid, wanted, place)
        there = [path for uid in told if (path := place.folder / f"{uid}.dcm").is_file()]
        if missing := len(told) - len(there) - len(broken.keys() & set(told)):
            found = f"gave {len(told) - missing} of {len(told)} instances of series {series.uid}"
            raise ArchiveError(f"{archive.name}: study {study}", found, "The same command goes on.", passing=True)
        files += len(there)
        new += len(set(wanted) - broken.keys())
        size += sum(path.stat().st_size for path in there)
    return Fetched(study, folder, files, new, size, broken)
