"""Follow one patient: match the lesions of all time points, measure what changed, and judge the response."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medseg.errors import DatasetError, InputError
from medseg.followup.columns import LESION_COLUMNS, RESPONSE_COLUMNS, TRACK_COLUMNS
from medseg.followup.matching import Matching
from medseg.followup.recist import Criteria, roles
from medseg.followup.response_rows import response_rows
from medseg.followup.time_point import TimePoint
from medseg.followup.track_rows import lesion_rows, track_rows
from medseg.followup.tracks import Tracks, find_tracks
from medseg.regions import Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Followed", "follow", "table_of"]


@dataclass(frozen=True, eq=False)
class Followed:
    """What became of a patient's lesions; `medseg.followup.columns` says what the columns mean.

    Args:
        found: The tracks themselves.
        lesions: A row a region of every time point.
        tracks: A row a track and time point.
        responses: A row a time point.
        nodes: Labels that are lymph nodes.
        notes: What a reader should know.
    """

    found: Tracks
    lesions: "pd.DataFrame"
    tracks: "pd.DataFrame"
    responses: "pd.DataFrame"
    nodes: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def follow(
    points: Sequence[TimePoint], *, patient: str = "", how: Matching | None = None, criteria: Criteria | None = None
) -> Followed:
    """Follow the lesions of a patient.

    Args:
        points: Two time points or more, in the order of time; the first is the baseline, in whose world all lie.
        patient: Goes into the first column.
        how: When two lesions are the same.
        criteria: Nodes, targets and what counts as new.

    Raises:
        InputError: There are fewer than two time points, nothing is known of the baseline, the dates are out of order,
            or a target that was named does not fit.
        DatasetError: A label that was named as nodes is in no time point.
    """
    criteria = criteria or Criteria()
    _require_order(points, patient)
    known = {str(name) for point in points for name in point.regions["label"]}
    known |= {name for point in points if point.segmentation is not None for name in point.segmentation.labels.names}
    unknown = sorted(criteria.nodes - known)
    if unknown and known:
        raise DatasetError(f"node {unknown[0]}", "no such label", f"There are {', '.join(sorted(known))}.")
    found = find_tracks(points, how)
    parts = roles(found, criteria)
    rows = (lesion_rows(found, parts), track_rows(found, parts), response_rows(found, parts, criteria))
    columns = (LESION_COLUMNS, TRACK_COLUMNS, RESPONSE_COLUMNS)
    lesions, tracks, responses = (
        table_of([{"patient": patient, **one} for one in of], which) for of, which in zip(rows, columns, strict=True)
    )
    return Followed(found, lesions, tracks, responses, criteria.nodes, tuple(_notes(points)))


def table_of(rows: "Sequence[dict[str, object]] | pd.DataFrame", columns: Sequence[Column]) -> "pd.DataFrame":
    """Rows as a table of these columns, in their order and types."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    for column in columns:
        if column.dtype == "str":
            frame[column.name] = frame[column.name].fillna("")
    return frame.astype({column.name: column.dtype for column in columns})


def _require_order(points: Sequence[TimePoint], patient: str) -> None:
    where = patient or "time points"
    if len(points) < 2:
        raise InputError(where, f"{len(points)} time point(s)", "Give a baseline and at least one follow-up.")
    if points[0].failure:
        raise InputError(where, f"nothing is known of the baseline: {points[0].failure}", "Give its mask.")
    dated = [point for point in points if point.date is not None]
    for earlier, later in itertools.pairwise(dated):
        if str(later.date) < str(earlier.date):
            found = f"{later.name} of {later.date} comes after {earlier.name} of {earlier.date}"
            raise InputError(where, found, "Give the time points in the order of their dates, or mend them: --dates.")


def _notes(points: Sequence[TimePoint]) -> list[str]:
    said = [f"{point.name}: {note}" for point in points for note in point.notes]
    tables = [point.name for point in points if point.segmentation is None and not point.failure]
    if tables:
        said.append(
            f"only the region tables of {', '.join(tables)} are known: lesions were matched one to one by their "
            "centres in world mm, so merging, splitting and fields of view were not seen"
        )
    undated = [point.name for point in points if point.date is None and not point.failure]
    if undated:
        said.append(f"no date of {', '.join(undated)}: there is no doubling time to or from it")
    return said
