"""What a response of RECIST 1.1 leaves to the reader at one time point, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from medseg.followup.disease import NewLesions, Part
from medseg.followup.overlap import IN_VIEW, coverage
from medseg.followup.recist import Criteria, diameter
from medseg.followup.tracks import Tracks

__all__ = ["to_judge"]

_TOO_SMALL_MM, _UNEQUIVOCAL_MM, _UNEQUIVOCAL_NODE_MM = 5.0, 10.0, 15.0


def to_judge(
    tracks: Tracks,
    before: Sequence[Mapping[str, Any]],
    row: Mapping[str, Any],
    targets: Part,
    others: Part,
    new: NewLesions,
    criteria: Criteria,
) -> list[str]:
    """What applies at a time point.

    Args:
        tracks: Of a patient.
        before: Rows of the time points before.
        row: The row of this one.
        targets: What became of the targets.
        others: Of the non-targets.
        new: New lesions.
        criteria: What the user decided.
    """
    time = len(before)
    point = tracks.points[time]
    if point.failure:
        return [f"nothing is known of this time: {point.failure}"]
    said = []
    for part, name in ((targets, "target(s)"), (others, "non-target lesion(s)")):
        if part.unseen:
            said.append(f"{part.unseen} {name} outside the field of view")
    small = [one for one in targets.rows if diameter(point, one, criteria.nodes) < _TOO_SMALL_MM]
    if small:
        said.append(f"{len(small)} target(s) below 5 mm, for which RECIST has 5 mm where they are too small to measure")
    if others.rows:
        said.append(f"whether {len(others.rows)} non-target lesion(s) progressed unequivocally")
    if new.rows:
        said.append(
            f"whether {len(new.rows)} new lesion(s) are unequivocal and no finding of technique"
            + _doubts(tracks, new, time, criteria)
        )
    if new.small:
        said.append(f"{new.small} new lesion(s) below {criteria.min_new_mm:g} mm that were not counted")
    return said + _of_the_course(row, [str(one.get("response", "")) for one in before])


def _of_the_course(row: Mapping[str, Any], before: Sequence[str]) -> list[str]:
    """What depends on the responses before."""
    now, said = row["response"], []
    if now in ("CR", "PR") and now not in before:
        said.append("whether the response is confirmed")
    if "CR" in before and now not in ("CR", "NE"):
        said.append("whether the complete response before was one, and what is there now is disease that came back")
    if now == "SD" and "PR" in before:
        said.append("whether it is the partial response that goes on, as it is no progression")
    if "PD" in before and now != "PD":
        said.append("the patient had progressed before: this response is of this time alone")
    return said


def _doubts(tracks: Tracks, new: NewLesions, time: int, criteria: Criteria) -> str:
    point, baseline = tracks.points[time], tracks.points[0]
    sizes = [max(diameter(point, row, criteria.nodes) for row in rows) for rows in new.rows]
    nodes = [point.regions["label"].iloc[rows[0]] in criteria.nodes for rows in new.rows]
    small = sum(mm < _UNEQUIVOCAL_MM for mm in sizes)
    small_nodes = sum(mm < _UNEQUIVOCAL_NODE_MM and node for mm, node in zip(sizes, nodes, strict=True))
    outside = sum(max(coverage(point, row, baseline) for row in rows) < IN_VIEW for rows in new.rows)
    of_baseline = {row for one in range(len(baseline.regions)) for row in tracks.descendants((0, one))[time]}
    normal = sum(node and not of_baseline.isdisjoint(rows) for rows, node in zip(new.rows, nodes, strict=True))
    words = [f"{small} below 10 mm"] * bool(small)
    words += [f"{small_nodes} node(s) below 15 mm, to be looked at again at the next time"] * bool(small_nodes)
    words += [f"{normal} node(s) that were normal at baseline"] * bool(normal)
    words += [f"{outside} where the baseline did not look"] * bool(outside)
    return f" ({', '.join(words)})" if words else ""
