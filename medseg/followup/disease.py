"""What of a patient's lesions is disease at a time point: what became of those of the baseline, and what is new."""

from collections.abc import Sequence
from dataclasses import dataclass

from medseg.followup.overlap import IN_VIEW, coverage
from medseg.followup.recist import LARGEST_NORMAL_NODE_MM, Criteria, diameter
from medseg.followup.tracks import Lesion, Tracks

__all__ = ["NewLesions", "Part", "abnormal", "new_lesions", "part_of"]

_Became = Sequence[set[int]]  # at each time point, the rows that a lesion is then


@dataclass(frozen=True)
class Part:
    """What became of some lesions of the baseline at one time point.

    Args:
        rows: Regions that they are now.
        unseen: How many of them could not be judged.
    """

    rows: frozenset[int]
    unseen: int


@dataclass(frozen=True)
class NewLesions:
    """What is disease at one time point, and was none at baseline.

    Args:
        rows: The regions of each new lesion.
        small: How many are left out, as the user set a diameter that they do not reach.
    """

    rows: tuple[tuple[int, ...], ...]
    small: int


def part_of(tracks: Tracks, lesions: Sequence[Lesion], became: dict[Lesion, list[set[int]]], time: int) -> Part:
    """What became of lesions of the baseline.

    Args:
        tracks: Of a patient.
        lesions: Which.
        became: What each lesion of the baseline is at each time point.
        time: Which time point.
    """
    rows = frozenset(row for lesion in lesions for row in became[lesion][time])
    unseen = sum(not became[lesion][time] and not _was_looked_at(tracks, became[lesion], time) for lesion in lesions)
    return Part(rows, unseen)


def abnormal(tracks: Tracks, part: Part, time: int, criteria: Criteria) -> list[int]:
    """Rows that are disease: nodes from 10 mm on, anything else of any size."""
    return [row for row in sorted(part.rows) if _is_disease(tracks, time, (row,), criteria)]


def new_lesions(tracks: Tracks, known: Sequence[_Became], time: int, criteria: Criteria) -> NewLesions:
    """New lesions: nothing that was disease at baseline became them.

    A node that was normal at baseline is new disease from 10 mm on. What will merge later with a lesion of the baseline
    is new before that, though both are one track.

    Args:
        tracks: Of a patient.
        known: What the targets and non-targets of the baseline are at each time point.
        time: Which time point.
        criteria: What the user decided.
    """
    old = {row for became in known for row in became[time]}
    found, small = [], 0
    for track in tracks.tracks:
        rows = tuple(row for row in track.rows[time] if row not in old)
        if not rows or not _is_disease(tracks, time, rows, criteria):
            continue
        if max(diameter(tracks.points[time], row, criteria.nodes) for row in rows) < criteria.min_new_mm:
            small += 1
        else:
            found.append(rows)
    return NewLesions(tuple(found), small)


def _is_disease(tracks: Tracks, time: int, rows: Sequence[int], criteria: Criteria) -> bool:
    point = tracks.points[time]
    return any(
        point.regions["label"].iloc[row] not in criteria.nodes
        or diameter(point, row, criteria.nodes) >= LARGEST_NORMAL_NODE_MM
        for row in rows
    )


def _was_looked_at(tracks: Tracks, became: _Became, time: int) -> bool:
    """Whether the place where a lesion was last seen lies in the field of view."""
    if tracks.points[time].failure:
        return False
    last = max(earlier for earlier in range(time) if became[earlier])
    return max(coverage(tracks.points[last], row, tracks.points[time]) for row in became[last]) >= IN_VIEW
