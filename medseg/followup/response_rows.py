"""Rows of the table of responses: RECIST 1.1 at each time point, against the baseline and against the nadir."""

from dataclasses import dataclass
from typing import Any

from medseg.followup.growth import percent
from medseg.followup.overlap import coverage
from medseg.followup.recist import LARGEST_NORMAL_NODE_MM, Criteria, Role, diameter, overall, target_response
from medseg.followup.track_rows import when
from medseg.followup.tracks import Lesion, Tracks

__all__ = ["response_rows"]

_TOO_SMALL_MM, _UNEQUIVOCAL_MM = 5.0, 10.0
_IN_VIEW = 0.5


@dataclass(frozen=True)
class _Part:
    """What became of some lesions of the baseline at one time point.

    Args:
        rows: Regions that they are now.
        unseen: How many of them could not be judged.
    """

    rows: frozenset[int]
    unseen: int


def response_rows(tracks: Tracks, roles: dict[Lesion, Role], criteria: Criteria) -> list[dict[str, Any]]:
    """A row a time point.

    Args:
        tracks: Of a patient.
        roles: Of the baseline's lesions.
        criteria: What the user decided.
    """
    targets = [lesion for lesion, role in roles.items() if role == "target"]
    others = [lesion for lesion, role in roles.items() if role == "non-target"]
    became = {lesion: tracks.descendants(lesion) for lesion in roles}
    found: list[dict[str, Any]] = []
    for time in range(len(tracks.points)):
        of_targets, of_others = (_part(tracks, lesions, became, time) for lesions in (targets, others))
        row: dict[str, Any] = {**when(tracks.points, time), "targets": len(targets)}
        row |= _sums(tracks, of_targets, time, criteria, found) if targets else {}
        row |= _responses(tracks, of_targets, of_others, time, criteria, found, bool(others)) if time else {}
        row["non_targets"] = len(_abnormal(tracks, of_others, time, criteria))
        row["new_lesions"] = len(_new(tracks, time, criteria)[0])
        row["to_judge"] = "; ".join(_to_judge(tracks, row, of_targets, of_others, time, criteria)) if time else ""
        found.append(row)
    return found


def _part(tracks: Tracks, lesions: list[Lesion], became: dict[Lesion, list[set[int]]], time: int) -> _Part:
    rows = frozenset(row for lesion in lesions for row in became[lesion][time])
    unseen = sum(not became[lesion][time] and not _was_looked_at(tracks, became[lesion], time) for lesion in lesions)
    return _Part(rows, unseen)


def _was_looked_at(tracks: Tracks, became: list[set[int]], time: int) -> bool:
    """Whether the place where a lesion was last seen lies in the field of view."""
    if tracks.points[time].failure:
        return False
    last = max(earlier for earlier in range(time) if became[earlier])
    return max(coverage(tracks.points[last], row, tracks.points[time]) for row in became[last]) >= _IN_VIEW


def _sums(tracks: Tracks, part: _Part, time: int, criteria: Criteria, before: list[dict[str, Any]]) -> dict[str, Any]:
    point = tracks.points[time]
    total = None if part.unseen else sum(diameter(point, row, criteria.nodes) for row in part.rows)
    if not time:
        return {"sum_mm": total}
    known = [row["sum_mm"] for row in before if row["sum_mm"] is not None]
    found: dict[str, Any] = {"sum_mm": total, "nadir_mm": min(known)}
    for name, against in (("sum_change", known[0]), ("nadir_change", min(known))):
        found[f"{name}_mm"] = None if total is None else total - against
        found[f"{name}_percent"] = percent(against, total)
    return found


def _responses(
    tracks: Tracks,
    targets: _Part,
    others: _Part,
    time: int,
    criteria: Criteria,
    before: list[dict[str, Any]],
    any_others: bool,
) -> dict[str, Any]:
    target = ""
    if before[0]["targets"]:
        sums = _sums(tracks, targets, time, criteria, before)
        left = _abnormal(tracks, targets, time, criteria)
        solid = any(tracks.points[time].regions["label"].iloc[row] not in criteria.nodes for row in left)
        back = solid and any(row.get("target_response") == "CR" for row in before)
        target = target_response(sums["sum_mm"], before[0]["sum_mm"], sums["nadir_mm"], not left, back)
    non_target = ""
    if any_others:
        left = _abnormal(tracks, others, time, criteria)
        non_target = "non-CR/non-PD" if left else "NE" if others.unseen else "CR"
    if tracks.points[time].failure:
        return {"target_response": target, "non_target_response": non_target, "response": "NE"}
    new = bool(_new(tracks, time, criteria)[0])
    return {
        "target_response": target,
        "non_target_response": non_target,
        "response": overall(target, non_target, new),
    }


def _abnormal(tracks: Tracks, part: _Part, time: int, criteria: Criteria) -> list[int]:
    """Rows that are disease: nodes from 10 mm on, anything else of any size."""
    point = tracks.points[time]
    return [
        row
        for row in sorted(part.rows)
        if point.regions["label"].iloc[row] not in criteria.nodes
        or diameter(point, row, criteria.nodes) >= LARGEST_NORMAL_NODE_MM
    ]


def _new(tracks: Tracks, time: int, criteria: Criteria) -> tuple[list[tuple[int, ...]], int]:
    """The regions of each new lesion, and how many are left out as too small."""
    point = tracks.points[time]
    found, small = [], 0
    for track in tracks.tracks:
        rows = track.rows[time]
        if not track.first or not rows:
            continue
        node = track.label in criteria.nodes
        largest = max(diameter(point, row, criteria.nodes) for row in rows)
        if node and largest < LARGEST_NORMAL_NODE_MM:
            continue
        if largest < criteria.min_new_mm:
            small += 1
        else:
            found.append(rows)
    return found, small


def _to_judge(
    tracks: Tracks, row: dict[str, Any], targets: _Part, others: _Part, time: int, criteria: Criteria
) -> list[str]:
    point = tracks.points[time]
    if point.failure:
        return [f"nothing is known of this time: {point.failure}"]
    said = []
    if targets.unseen:
        said.append(f"{targets.unseen} target(s) outside the field of view")
    small = [one for one in targets.rows if diameter(point, one, criteria.nodes) < _TOO_SMALL_MM]
    if small:
        said.append(f"{len(small)} target(s) below 5 mm, for which RECIST has 5 mm where they are too small to measure")
    if others.rows:
        said.append(f"whether {len(others.rows)} non-target lesion(s) progressed unequivocally")
    new, left_out = _new(tracks, time, criteria)
    if new:
        said.append(
            f"whether {len(new)} new lesion(s) are unequivocal and no finding of technique"
            + _doubts(tracks, new, time, criteria)
        )
    if left_out:
        said.append(f"{left_out} new lesion(s) below {criteria.min_new_mm:g} mm that were not counted")
    if row.get("target_response") == "PR" and row["sum_change_percent"] is not None and row.get("response") == "PR":
        said.append("whether the response is confirmed")
    return said


def _doubts(tracks: Tracks, new: list[tuple[int, ...]], time: int, criteria: Criteria) -> str:
    point, baseline = tracks.points[time], tracks.points[0]
    small = sum(max(diameter(point, row, criteria.nodes) for row in rows) < _UNEQUIVOCAL_MM for rows in new)
    outside = sum(max(coverage(point, row, baseline) for row in rows) < _IN_VIEW for rows in new)
    words = [f"{small} below 10 mm"] * bool(small) + [f"{outside} where the baseline did not look"] * bool(outside)
    return f" ({', '.join(words)})" if words else ""
