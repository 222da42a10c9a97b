"""Rows of the tables of lesions and tracks: sizes at every time point, what changed, and what to look at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.followup.growth import change, days_between, doubling_days, percent
from medseg.followup.overlap import IN_VIEW, coverage
from medseg.followup.recist import Role
from medseg.followup.time_point import TimePoint
from medseg.followup.tracks import Lesion, Track, Tracks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["lesion_rows", "size_of", "track_rows", "when"]

_SIZES = {"volume": "ml", "area": "mm2", "longest_axial": "mm", "perpendicular": "mm"}
_JUDGED = ("baseline", "matched", "merged", "split", "regrouped", "new", "returned", "gone")


def when(points: Sequence[TimePoint], time: int) -> dict[str, Any]:
    """The columns that say which time point it is."""
    day = points[time].date
    said = "" if day is None else day.isoformat()
    return {"time": time, "name": points[time].name, "date": said, "days": days_between(points[0].date, day)}


def lesion_rows(tracks: Tracks, roles: dict[Lesion, Role]) -> list[dict[str, Any]]:
    """A row a region of every time point."""
    track_of = {
        (time, row): number
        for number, track in enumerate(tracks.tracks, start=1)
        for time, rows in enumerate(track.rows)
        for row in rows
    }
    found = []
    for time, point in enumerate(tracks.points):
        table: list[dict[str, Any]] = point.regions.to_dict("records")  # type: ignore[assignment]
        for row, measured in enumerate(table):
            linked = [link for _, link in tracks.links.get((time, row), [])]
            best = max(linked, key=lambda link: (np.nan_to_num(link.overlap), -link.distance_mm), default=None)
            track = tracks.tracks[track_of[time, row] - 1]
            found.append(
                when(tracks.points, time)
                | measured
                | {
                    "track": track_of[time, row],
                    "role": _role_at(time, row, track, tracks, roles),
                    "touches_border": bool(measured.get("touches_border", False)),
                    "match": "" if best is None else best.how,
                    "overlap": None if best is None else best.overlap,
                    "distance_mm": None if best is None else best.distance_mm,
                }
            )
    return found


def _role_at(time: int, row: int, track: Track, tracks: Tracks, roles: dict[Lesion, Role]) -> Role:
    """A lesion's role: its own at baseline, the weightiest of what it comes of later."""
    origins = {roles[0, one] for one in track.rows[0] if row in tracks.descendants((0, one))[time]}
    return _weightiest(origins or {"new"})  # what will merge with a lesion of the baseline is new before that


def track_rows(tracks: Tracks, roles: dict[Lesion, Role]) -> list[dict[str, Any]]:
    """A row a track and time point."""
    return [
        row for number, track in enumerate(tracks.tracks, start=1) for row in _rows_of(number, track, tracks, roles)
    ]


def size_of(track: Track, points: Sequence[TimePoint], time: int, column: str) -> float | None:
    """A size of a track: the sum over its members; 0 where it is gone, nothing where it was not judged or not yet."""
    if track.states[time] == "gone":
        known = [size_of(track, points, earlier, column) for earlier in range(time)]
        return 0.0 if any(value is not None for value in known) else None
    regions = points[time].regions
    if not track.rows[time] or column not in regions:
        return None
    value = float(regions[column].iloc[list(track.rows[time])].sum(min_count=1))
    return value if np.isfinite(value) else None


def _rows_of(number: int, track: Track, tracks: Tracks, roles: dict[Lesion, Role]) -> list[dict[str, Any]]:
    points = tracks.points
    role = "new" if track.first else _weightiest({roles[0, row] for row in track.rows[0]})
    found = []
    for time, point in enumerate(points):
        rows = list(track.rows[time])
        row: dict[str, Any] = {"track": number, "label": track.label, **when(points, time)}
        row |= {"state": track.states[time], "role": role, "members": len(rows)}
        row["regions"] = "+".join(str(one) for one in point.regions["region"].iloc[rows])
        judged = [earlier for earlier in range(time) if track.states[earlier] in _JUDGED]
        for name, unit in _SIZES.items():
            now = row[f"{name}_{unit}"] = size_of(track, points, time, f"{name}_{unit}")
            for other, suffix in ((0 if time else None, ""), (judged[-1] if judged else None, "_from_previous")):
                was = None if other is None else size_of(track, points, other, f"{name}_{unit}")
                row[f"{name}_change_{unit}{suffix}"] = change(was, now)
                row[f"{name}_change_percent{suffix}"] = percent(was, now)
        there = [earlier for earlier in range(time) if track.rows[earlier]]
        row["doubling_days"] = _doubling(track, points, there[-1:], time)
        row["doubling_days_overall"] = _doubling(track, points, there[:1], time)
        row["flags"] = "; ".join(_flags(track, tracks, roles, time))
        found.append(row)
    return found


def _doubling(track: Track, points: Sequence[TimePoint], earlier: list[int], time: int) -> float | None:
    if not earlier:
        return None
    before, after = (size_of(track, points, one, "volume_ml") for one in (earlier[0], time))
    return doubling_days(before, after, days_between(points[earlier[0]].date, points[time].date))


def _flags(track: Track, tracks: Tracks, roles: dict[Lesion, Role], time: int) -> list[str]:
    point, rows = tracks.points[time], track.rows[time]
    found = []
    if rows and "touches_border" in point.regions and _any(point.regions, rows, "touches_border"):
        found.append("reaches the edge of the image: its size is a lower bound")
    if track.states[time] == "new":
        found += [
            f"its place is outside the field of view of {other.name}"
            for other in tracks.points[:time]
            if not other.failure and max(coverage(point, row, other) for row in rows) < IN_VIEW
        ]
    if (
        track.first == 0
        and time
        and (new := [row for row in rows if _role_at(time, row, track, tracks, roles) == "new"])
    ):
        found.append(f"{len(new)} new lesion(s) that will merge with it are counted in its sizes")
    links = [link for row in rows for _, link in tracks.links.get((time, row), [])]
    if links and all(link.how == "centroid" and not np.isnan(link.overlap) for link in links):
        farthest = max(link.distance_mm for link in links)
        found.append(f"matched by its centre alone, {farthest:.1f} mm away")
    kinds = {roles[0, row] for row in track.rows[0]} if time and rows else set()
    if "target" in kinds and len(kinds) > 1 and track.states[time] in ("merged", "regrouped"):
        found.append("a target has merged with a lesion that is none: its diameter is that of both")
    return found


def _any(regions: "pd.DataFrame", rows: Sequence[int], column: str) -> bool:
    values = regions[column].iloc[list(rows)].astype(str).str.lower()
    return bool(values.isin(["true", "1"]).any())


def _weightiest(found: set[Role]) -> Role:
    return next(role for role in ("target", "non-target", "normal node", "new") if role in found)
