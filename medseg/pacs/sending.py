"""Gives an archive the files that it does not have: asking first, so that nothing is there twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import ArchiveError, MedsegError
from medseg.pacs.archive import Archive
from medseg.pacs.instances import Instance, look_at

__all__ = ["Sent", "send_missing"]


@dataclass
class Sent:
    """What became of files.

    Args:
        taken: The archive took them now.
        there: It had them.
        refused: It did not take them, or they are no DICOM; with the reason.
    """

    taken: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    refused: dict[Path, MedsegError] = field(default_factory=dict)


def send_missing(archive: Archive, files: Sequence[Path]) -> Sent:
    """Store files, study by study.

    Raises:
        ArchiveError: The archive cannot be reached; what it took stays there, and is not sent again.
    """
    sent = Sent()
    for study, found in _by_study(files, sent).items():
        held: set[str] = set()
        for series in sorted({one.series for one in found.values()}):
            held |= archive.holds(study, series, [one.uid for one in found.values() if one.series == series])
        sent.there += [path for path, one in found.items() if one.uid in held]
        missing = {path: one for path, one in found.items() if one.uid not in held}
        if missing:
            _send(archive, study, missing, sent)
    return sent


def _by_study(files: Sequence[Path], sent: Sent) -> dict[str, dict[Path, Instance]]:
    studies: dict[str, dict[Path, Instance]] = {}
    for path in files:
        try:
            one = look_at(path)
        except MedsegError as error:
            sent.refused[path] = error
        else:
            studies.setdefault(one.study, {})[path] = one
    return studies


def _send(archive: Archive, study: str, files: dict[Path, Instance], sent: Sent) -> None:
    told = archive.store(study, list(files))
    for path, one in files.items():
        if one.uid in told.taken:
            sent.taken.append(path)
        else:
            found = f"is refused by {archive.name} ({told.refused.get(one.uid, 'it does not say why')})"
            sent.refused[path] = ArchiveError(path, found, "Look at the log of the archive.")
