"""Tracks: lesions that belong together over all time points, and what became of each from one to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from medseg.followup.matching import Link, Matching, links_between
from medseg.followup.overlap import IN_VIEW, coverage
from medseg.followup.time_point import TimePoint

__all__ = ["STATES", "Lesion", "State", "Track", "Tracks", "find_tracks"]

Lesion = tuple[int, int]  # number of the time point, row of its region table
State = Literal[
    "baseline", "matched", "merged", "split", "regrouped", "new", "returned", "gone", "absent", "not covered", "missing"
]
STATES: dict[State, str] = {
    "baseline": "there at the first time point",
    "matched": "there, and before",
    "merged": "a lesion that was several before",
    "split": "several lesions that were one before",
    "regrouped": "both at once: several became several",
    "new": "seen for the first time, after the baseline",
    "returned": "there, was before, and gone in between",
    "gone": "no longer there, though its place was looked at",
    "absent": "not there yet",
    "not covered": "not seen, and its place is outside the field of view (or marked as not judged)",
    "missing": "nothing is known of this time",
}


@dataclass(frozen=True, eq=False)
class Track:
    """A lesion over time; several where they merge or split.

    Args:
        label: Its label.
        rows: At each time point, the rows of its regions.
        states: What became of it at each time point.
    """

    label: str
    rows: tuple[tuple[int, ...], ...]
    states: tuple[State, ...]

    @cached_property
    def first(self) -> int:
        """The time point at which it is seen first."""
        return next(time for time, rows in enumerate(self.rows) if rows)


@dataclass(frozen=True, eq=False)
class Tracks:
    """All tracks of a patient.

    Args:
        points: The time points.
        tracks: In the order of their labels, of when they are first seen, and of their size then.
        links: By the later lesion, the earlier ones that it was, each with what speaks for it.
    """

    points: tuple[TimePoint, ...]
    tracks: tuple[Track, ...]
    links: dict[Lesion, list[tuple[Lesion, Link]]]

    def descendants(self, lesion: Lesion) -> list[set[int]]:
        """What became of a lesion: at each time point, the rows that come of it; itself at its own."""
        found: list[set[int]] = [set() for _ in self.points]
        found[lesion[0]].add(lesion[1])
        for (time, row), before in sorted(self.links.items()):
            if any(earlier in found[when] for (when, earlier), _ in before):
                found[time].add(row)
        return found


def find_tracks(points: Sequence[TimePoint], how: Matching | None = None) -> Tracks:
    """Match the lesions of each time point with those of the one before, then with those that were lost earlier.

    Args:
        points: In the order of time; the first is the baseline, in whose world all are compared.
        how: When two lesions are the same.
    """
    how = how or Matching()
    links: dict[Lesion, list[tuple[Lesion, Link]]] = {}
    lost = {(time, row) for time, point in enumerate(points) for row in range(len(point.regions))}
    for time, point in enumerate(points):
        open_rows = np.arange(len(point.regions))
        for earlier in range(time - 1, -1, -1):
            rows = np.array(sorted(row for when, row in lost if when == earlier), int)
            for link in links_between(points[earlier], point, how, rows, open_rows):
                links.setdefault((time, link.after), []).append(((earlier, link.before), link))
            open_rows = np.array([row for row in open_rows if (time, row) not in links], int)
        lost -= {before for at, linked in links.items() if at[0] == time for before, _ in linked}
    groups = _groups(points, links)
    tracks = [_track(group, points, links) for group in groups]
    return Tracks(tuple(points), tuple(tracks[place] for place in _order(tracks, points)), links)


def _groups(points: Sequence[TimePoint], links: dict[Lesion, list[tuple[Lesion, Link]]]) -> list[list[Lesion]]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    lesions = [(time, row) for time, point in enumerate(points) for row in range(len(point.regions))]
    if not lesions:
        return []
    place = {lesion: number for number, lesion in enumerate(lesions)}
    pairs = [(place[later], place[before]) for later, linked in links.items() for before, _ in linked]
    first, second = np.array(pairs, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(lesions),) * 2)
    count, belongs = connected_components(graph, directed=False)
    groups: list[list[Lesion]] = [[] for _ in range(count)]
    for lesion, group in zip(lesions, belongs, strict=True):
        groups[group].append(lesion)
    return groups


def _track(group: list[Lesion], points: Sequence[TimePoint], links: dict[Lesion, list[tuple[Lesion, Link]]]) -> Track:
    rows = tuple(tuple(row for when, row in group if when == time) for time in range(len(points)))
    states: list[State] = []
    for time in range(len(points)):
        states.append(_state(time, rows, states, points, links))
    time, row = group[0]
    return Track(str(points[time].regions["label"].iloc[row]), rows, tuple(states))


def _state(
    time: int,
    rows: tuple[tuple[int, ...], ...],
    before: list[State],
    points: Sequence[TimePoint],
    links: dict[Lesion, list[tuple[Lesion, Link]]],
) -> State:
    if points[time].failure:
        return "missing"
    seen = any(rows[:time])
    if not rows[time]:
        if _covered(time, rows, points):
            return "gone" if seen else "absent"
        return "not covered"
    if not seen:
        return "new" if time else "baseline"
    last = max(when for when in range(time) if rows[when])
    if "gone" in before[last + 1 :]:
        return "returned"
    return _met(time, rows[time], links)


def _met(time: int, rows: tuple[int, ...], links: dict[Lesion, list[tuple[Lesion, Link]]]) -> State:
    """Whether lesions merged or split since they were seen last."""
    parents = [{before for before, _ in links.get((time, row), [])} for row in rows]
    merged = any(len(one) > 1 for one in parents)
    named = [before for one in parents for before in one]
    split = len(set(named)) < len(named)
    return "regrouped" if merged and split else "merged" if merged else "split" if split else "matched"


def _covered(time: int, rows: tuple[tuple[int, ...], ...], points: Sequence[TimePoint]) -> bool:
    """Whether the place where it was last seen, or will be first, was looked at."""
    there = [when for when in range(len(rows)) if rows[when]]
    when = max((one for one in there if one < time), default=there[0])
    return max(coverage(points[when], row, points[time]) for row in rows[when]) >= IN_VIEW


def _order(tracks: Sequence[Track], points: Sequence[TimePoint]) -> list[int]:
    """By label as they come, by when they are seen first, the largest first, and the first row of the table."""
    names = list(dict.fromkeys(str(name) for point in points for name in point.regions["label"]))

    def key(place: int) -> tuple[int, int, float, int]:
        track = tracks[place]
        regions = points[track.first].regions
        rows = list(track.rows[track.first])
        size = float(regions["longest_axial_mm"].iloc[rows].sum())
        return names.index(track.label), track.first, -size, rows[0]

    return sorted(range(len(tracks)), key=key)
