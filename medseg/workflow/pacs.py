"""What `medseg pacs` does: ask an archive, find studies in it, fetch them, and store files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from medseg.errors import ConfigError, InputError, MedsegError
from medseg.pacs.archive import Archive
from medseg.pacs.fetching import Fetched, fetch_study
from medseg.pacs.nodes import Node, node_named, node_of_url, read_nodes
from medseg.pacs.opening import Way, open_archive
from medseg.pacs.query import Query
from medseg.pacs.sending import Sent, send_missing
from medseg.reporting import Reporter, Silent

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Brought", "echo", "fetch", "find", "is_remote", "node_of", "remote_source", "require_condition", "store"]

_SCHEME, _NAMED = "dicomweb+", "pacs:"
_SHOWN = ("PatientID", "StudyDate", "ModalitiesInStudy", "StudyDescription", "AccessionNumber")
_SHOWN_SERIES = ("Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined")


@dataclass
class Brought:
    """What `fetch` left.

    Args:
        studies: Those that are whole on this disk.
        failed: Of each other study, by its UID, why not.
    """

    studies: list[Fetched] = field(default_factory=list)
    failed: dict[str, MedsegError] = field(default_factory=dict)


def node_of(word: str, nodes: Path | None = None) -> Node:
    """The node of a name (`hospital`, or `pacs:hospital`), or of a URL `dicomweb+https://host/path`.

    Raises:
        ConfigError: There is none, or the file of nodes does not hold together.
    """
    known = read_nodes(nodes)
    if word.startswith(_SCHEME):
        return node_of_url(word.removeprefix(_SCHEME), known)
    return node_named(word.removeprefix(_NAMED), known)


def is_remote(word: str) -> bool:
    """Whether an input is an archive, and no file."""
    return word.startswith((_SCHEME, _NAMED)) and not Path(word).exists()


def remote_source(inputs: Sequence[str | Path]) -> tuple[str, Query] | None:
    """The archive and the query of an input such as `pacs:hospital?Modality=CT`; None where inputs are files.

    Raises:
        ConfigError: There are other inputs beside it, or the query cannot be understood.
    """
    words = [str(word) for word in inputs]
    if not any(map(is_remote, words)):
        return None
    if len(words) > 1:
        raise ConfigError("inputs", "an archive beside others", "Give one archive, or files.")
    url, _, asked = words[0].partition("?")
    if url.startswith(_SCHEME):
        scheme, _, rest = url.partition(":")
        url = f"{scheme}://{rest.lstrip('/')}"  # a path of the command line has lost one of the slashes
    return url, Query.of(parse_qsl(asked, keep_blank_values=True))


def echo(word: str, *, nodes: Path | None = None, way: Way | None = None) -> str:
    """Whether an archive is there, and lets us in.

    Raises:
        ArchiveError: It does not.
    """
    return _archive(word, nodes, way).echo()


def find(
    word: str, asked: Query, *, nodes: Path | None = None, way: Way | None = None, series: bool = False
) -> "pd.DataFrame":
    """The studies of an archive that a query means, a row each; or their series.

    Raises:
        ArchiveError: It cannot be asked.
    """
    import pandas as pd

    archive = _archive(word, nodes, way)
    rows = []
    for study in archive.studies(asked):
        own = {key: study.values.get(key, "") for key in _SHOWN} | {"StudyInstanceUID": study.uid}
        if not series:
            rows.append(own | {"instances": study.values.get("NumberOfStudyRelatedInstances", "")})
            continue
        for one in archive.series(study.uid, asked):
            if asked.has_series(one.values):
                inner = {key: one.values.get(key, "") for key in _SHOWN_SERIES} | {"SeriesInstanceUID": one.uid}
                rows.append(own | inner | {"instances": one.values.get("NumberOfSeriesRelatedInstances", "")})
    more = (*_SHOWN_SERIES, "SeriesInstanceUID") if series else ()
    return pd.DataFrame(rows, columns=[*_SHOWN, "StudyInstanceUID", *more, "instances"], dtype=str)


def fetch(
    word: str,
    asked: Query,
    out: str | Path,
    *,
    nodes: Path | None = None,
    way: Way | None = None,
    reporter: Reporter | None = None,
) -> Brought:
    """Fetch the studies that a query means into `out/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`.

    What is there is not fetched again. A study that fails does not stop the others; what comes broken lies in
    `out/quarantine`.

    Raises:
        ArchiveError: The archive cannot be asked.
        ConfigError: The query means all that there is.
        OutputError: `out` cannot be written.
    """
    require_condition(asked)
    archive = _archive(word, nodes, way)
    found = archive.studies(asked)
    brought = Brought()
    for study in (reporter or Silent()).track(found, "Fetching", len(found)):
        try:
            got = fetch_study(archive, study.uid, asked, Path(out) / study.uid, Path(out) / "quarantine")
        except MedsegError as error:
            brought.failed[study.uid] = error
            continue
        if got.broken:
            brought.failed[study.uid] = next(iter(got.broken.values()))
        else:
            brought.studies.append(got)
    return brought


def require_condition(asked: Query) -> None:
    """Refuse to fetch a whole archive.

    Raises:
        ConfigError: The query has no condition.
    """
    if not asked.study and not asked.series and asked.limit is None:
        raise ConfigError("query", "has no condition, which would fetch all", "Say which studies, or limit=10.")


def store(word: str, inputs: Iterable[str | Path], *, nodes: Path | None = None, way: Way | None = None) -> Sent:
    """Store DICOM files, and those of folders, that an archive does not have.

    Raises:
        ArchiveError: It cannot be reached.
        InputError: An input does not exist, or there is no file.
    """
    from medseg.io.dicom.files import files_of

    files: list[Path] = []
    for given in map(Path, inputs):
        if not given.exists():
            raise InputError(given, "does not exist", "Check the path.")
        files += files_of(given) if given.is_dir() else [given]
    if not files:
        raise InputError("inputs", "hold no file", "Name DICOM files or folders of them.")
    return send_missing(_archive(word, nodes, way), files)


def _archive(word: str, nodes: Path | None, way: Way | None) -> Archive:
    return open_archive(node_of(word, nodes), way)
