"""RECIST 1.1 (Eisenhauer 2009, doi:10.1016/j.ejca.2008.10.026): target lesions, their sum, and the response to it.

Numbers follow the guideline's sections: 3.1 measurability, 4.3.1 targets, 4.3.2 nodes, 4.3.4 fragments and coalescence,
4.3.5 evaluation of targets, non-targets and new lesions, tables 1 and 2. What needs an eye is never decided here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from medseg.errors import InputError
from medseg.followup.time_point import TimePoint
from medseg.followup.tracks import Lesion, Tracks

__all__ = [
    "LARGEST_NORMAL_NODE_MM",
    "Criteria",
    "Role",
    "diameter",
    "least_diameter",
    "overall",
    "roles",
    "target_response",
]

LARGEST_NORMAL_NODE_MM = 10.0
_LESION_MM, _NODE_MM = 10.0, 15.0
_THICK_MM = 5.0
_NODES = "\0nodes"  # their one organ, which no label is called
_MOST, _MOST_AN_ORGAN = 5, 2
_PARTIAL, _PROGRESS = -30.0, 20.0  # percent
_PROGRESS_MM = 5.0
_ROUNDING = 1e-9  # so that 30 % of a decimal fraction is 30 %
Role = str  # "target", "non-target", "normal node"


@dataclass(frozen=True)
class Criteria:
    """What the user decides.

    Args:
        nodes: Labels that are lymph nodes: measured by their short axis.
        targets: Target lesions as (label, region number at baseline); the largest measurable ones where left out.
        min_new_mm: New lesions that are smaller do not count as progression; they are listed all the same.
    """

    nodes: frozenset[str] = frozenset()
    targets: tuple[tuple[str, int], ...] = ()
    min_new_mm: float = 0.0


def diameter(point: TimePoint, row: int, nodes: Collection[str]) -> float:
    """What RECIST measures of a lesion: the longest diameter in a slice, of a node the short axis; mm."""
    regions = point.regions
    node = regions["label"].iloc[row] in nodes
    return float(regions["perpendicular_mm" if node else "longest_axial_mm"].iloc[row])


def least_diameter(point: TimePoint, label: str, nodes: Collection[str]) -> float:
    """From which diameter on a lesion is measurable: 10 mm, or two slices thicker than 5 mm; of a node 15 mm."""
    if label in nodes:
        return _NODE_MM
    if point.segmentation is None or point.segmentation.geometry.ndim == 2:
        return _LESION_MM
    geometry = point.segmentation.geometry
    thickness = geometry.step[geometry.acquisition_axis]
    return max(_LESION_MM, 2 * thickness) if thickness > _THICK_MM else _LESION_MM


def roles(tracks: Tracks, criteria: Criteria) -> dict[Lesion, Role]:
    """What each lesion of the baseline is: the largest measurable ones are targets, five at most and two an organ.

    An organ is what the region table names in `organ`, else the label; all nodes are of one organ (EORTC's
    clarifications, recist.eortc.org).

    Raises:
        InputError: A target that was named is not there, not measurable, or one too many; or nodes are of a label
            that there is none of.
    """
    point = tracks.points[0]
    measured = [diameter(point, row, criteria.nodes) for row in range(len(point.regions))]
    labels = point.regions["label"].astype(str).tolist()
    able = [
        row
        for row, (label, mm) in enumerate(zip(labels, measured, strict=True))
        if mm >= least_diameter(point, label, criteria.nodes) - _ROUNDING
    ]
    if criteria.targets:
        chosen = _named(point, criteria, able)
    else:
        chosen = _largest(sorted(able, key=lambda row: -measured[row]), _organs(point, criteria.nodes))
    found: dict[Lesion, Role] = {}
    for row, (label, mm) in enumerate(zip(labels, measured, strict=True)):
        normal = label in criteria.nodes and mm < LARGEST_NORMAL_NODE_MM
        found[0, row] = "target" if row in chosen else "normal node" if normal else "non-target"
    return found


def target_response(
    sum_mm: float | None,
    baseline_mm: float,
    nadir_mm: float,
    gone: bool,
    complete_before: bool = False,
    seen_mm: float = 0.0,
) -> str:
    """Response of the target lesions at one time point.

    Args:
        sum_mm: Sum of diameters; `None` where a target could not be judged.
        baseline_mm: That of the baseline.
        nadir_mm: The smallest one before, the baseline's among them.
        gone: No target that was judged is left, and every target node has a short axis below 10 mm.
        complete_before: The patient was in complete response at an earlier time point: what comes back then is
            progression (table 3, footnote a).
        seen_mm: The sum of those that were judged, where not all were: the others cannot make it less, so that
            progression of it is progression (section 4.4.2).

    Returns:
        "CR", "PR", "SD", "PD" or "NE" (not evaluable).
    """
    if gone:
        return "NE" if sum_mm is None else "CR"
    more = (seen_mm if sum_mm is None else sum_mm) - nadir_mm
    if complete_before or (more >= _PROGRESS_MM - _ROUNDING and 100 * more >= _PROGRESS * nadir_mm - _ROUNDING):
        return "PD"
    if sum_mm is None:
        return "NE"
    if 100 * (sum_mm - baseline_mm) <= _PARTIAL * baseline_mm + _ROUNDING:
        return "PR"
    return "SD"


def overall(target: str, non_target: str, new: bool) -> str:
    """Response of the patient at one time point (tables 1 and 2), without unequivocal progression of non-targets.

    Args:
        target: "CR", "PR", "SD", "PD", "NE"; empty without target lesions.
        non_target: "CR", "non-CR/non-PD", "NE"; empty without non-target lesions.
        new: There is a new lesion, or a non-target one is back after a complete response.

    Returns:
        Also "non-CR/non-PD" without targets, and "NED" (no evidence of disease) where there never was a lesion.
    """
    if new or target == "PD":
        return "PD"
    if not target:
        return non_target or "NED"
    if target == "CR" and non_target in ("non-CR/non-PD", "NE"):
        return "PR"
    return target


def _largest(ordered: Sequence[int], organs: Sequence[str]) -> list[int]:
    chosen: list[int] = []
    for row in ordered:
        of_organ = sum(organs[one] == organs[row] for one in chosen)
        if len(chosen) < _MOST and of_organ < _MOST_AN_ORGAN:
            chosen.append(row)
    return chosen


def _named(point: TimePoint, criteria: Criteria, able: Sequence[int]) -> list[int]:
    regions = point.regions
    chosen: list[int] = []
    for label, number in dict.fromkeys(criteria.targets):
        rows = np.flatnonzero((regions["label"] == label) & (regions["region"] == number))
        if not len(rows):
            known = (
                ", ".join(f"{one}:{n}" for one, n in zip(regions["label"], regions["region"], strict=True)) or "none"
            )
            raise InputError(f"target {label}:{number}", "is no lesion of the baseline", f"There are {known}.")
        if rows[0] not in able:
            mend = "Leave it out: it is followed as a non-target lesion."
            raise InputError(f"target {label}:{number}", "is not measurable (RECIST 1.1, section 3.1)", mend)
        chosen.append(int(rows[0]))
    allowed = _largest(chosen, _organs(point, criteria.nodes))
    if len(allowed) < len(chosen):
        mend = "Name fewer: the others are followed as non-target lesions."
        raise InputError("targets", f"{len(chosen)} lesions", mend, f"{_MOST} at most, {_MOST_AN_ORGAN} an organ")
    return chosen


def _organs(point: TimePoint, nodes: Collection[str]) -> list[str]:
    labels = point.regions["label"].astype(str).tolist()
    known = "organ" in point.regions
    named = point.regions["organ"].fillna("").astype(str).tolist() if known else [""] * len(labels)
    return [_NODES if label in nodes else organ or label for organ, label in zip(named, labels, strict=True)]
