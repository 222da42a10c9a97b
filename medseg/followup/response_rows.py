"""Rows of the table of responses: RECIST 1.1 at each time point, against the baseline and against the nadir."""

from typing import Any

from medseg.followup.disease import NewLesions, Part, abnormal, new_lesions, part_of
from medseg.followup.growth import percent
from medseg.followup.recist import Criteria, Role, diameter, overall, target_response
from medseg.followup.to_judge import to_judge
from medseg.followup.track_rows import when
from medseg.followup.tracks import Lesion, Tracks

__all__ = ["response_rows"]


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
        of_targets, of_others = (part_of(tracks, lesions, became, time) for lesions in (targets, others))
        new = new_lesions(tracks, [became[lesion] for lesion in (*targets, *others)], time, criteria)
        row: dict[str, Any] = {**when(tracks.points, time), "targets": len(targets)}
        row |= _sums(tracks, of_targets, time, criteria, found) if targets else {}
        row |= _responses(tracks, of_targets, of_others, new, time, criteria, found, bool(others)) if time else {}
        row["non_targets"] = len(abnormal(tracks, of_others, time, criteria))
        row["new_lesions"] = len(new.rows)
        row["to_judge"] = "; ".join(to_judge(tracks, found, row, of_targets, of_others, new, criteria)) if time else ""
        found.append(row)
    return found


def _seen_mm(tracks: Tracks, part: Part, time: int, criteria: Criteria) -> float:
    return sum(diameter(tracks.points[time], row, criteria.nodes) for row in part.rows)


def _sums(tracks: Tracks, part: Part, time: int, criteria: Criteria, before: list[dict[str, Any]]) -> dict[str, Any]:
    total = None if part.unseen else _seen_mm(tracks, part, time, criteria)
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
    targets: Part,
    others: Part,
    new: NewLesions,
    time: int,
    criteria: Criteria,
    before: list[dict[str, Any]],
    any_others: bool,
) -> dict[str, Any]:
    complete = any(row.get("response") == "CR" for row in before)
    target = ""
    if before[0]["targets"]:
        sums = _sums(tracks, targets, time, criteria, before)
        gone = not abnormal(tracks, targets, time, criteria)
        seen = _seen_mm(tracks, targets, time, criteria)
        target = target_response(sums["sum_mm"], before[0]["sum_mm"], sums["nadir_mm"], gone, complete, seen)
    left = abnormal(tracks, others, time, criteria)
    non_target = ""
    if any_others:
        non_target = "NE" if others.unseen else "non-CR/non-PD" if left else "CR"
    labels = tracks.points[time].regions["label"]
    # that a node of 10 mm which was no target is back is for the reader to say
    back = complete and any(labels.iloc[row] not in criteria.nodes for row in left)
    missing = bool(tracks.points[time].failure)
    return {
        "target_response": target,
        "non_target_response": non_target,
        "response": "NE" if missing else overall(target, non_target, bool(new.rows) or back),
    }
