"""Scores one predicted mask against its reference: a row a label, a row a lesion, and its probabilities by bins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medseg.errors import GridMismatchError
from medseg.evaluation.calibration import Reliability, reliability_of
from medseg.evaluation.columns import DISTANCES, METRICS, OVERLAPS, SCORE_COLUMNS
from medseg.evaluation.distances import SurfaceDistances, label_boxes, label_masks, surface_distances
from medseg.evaluation.lesion_rows import confidences_of, lesion_rows
from medseg.evaluation.lesions import LesionMatch, lesions_of, match_lesions
from medseg.evaluation.scores import Overlap, overlaps
from medseg.evaluation.scoring import Scoring, Tolerance, scoring_of
from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["CaseScores", "score_case", "scores_of_case"]


@dataclass(frozen=True, eq=False)
class CaseScores:
    """What one case gives.

    Args:
        rows: One a label, keys as `SCORE_COLUMNS`.
        lesions: One a lesion, keys as `LESION_COLUMNS`.
        reliability: By label and scope, where there are probabilities.
        note: What was done to the masks, such as resampling.
    """

    rows: list[dict[str, Any]]
    lesions: list[dict[str, Any]] = field(default_factory=list)
    reliability: dict[tuple[str, str], Reliability] = field(default_factory=dict)
    note: str = ""


def score_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    labels: Labels,
    case: str = "",
    judged: Sequence[str] | None = None,
    geometry: Geometry | None = None,
    nsd_tolerance: Tolerance = 1.0,
) -> list[dict[str, Any]]:
    """Score one predicted mask: the rows of `scores_of_case`, which says what its arguments are."""
    return scores_of_case(prediction, reference, labels, case, judged, geometry, scoring_of(nsd_tolerance)).rows


def scores_of_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    labels: Labels,
    case: str = "",
    judged: Sequence[str] | None = None,
    geometry: Geometry | None = None,
    scoring: Scoring | None = None,
    probabilities: np.ndarray | None = None,
    note: str = "",
) -> CaseScores:
    """Score one predicted mask.

    Args:
        prediction: File values, shape (x, y[, z]); of labels that overlap, channels of 0 and 1, shape
            (labels, x, y[, z]).
        reference: The same on the same grid; voxels with the ignore value (of channels `IGNORE_INDEX`) count in no
            score.
        labels: What the values of both mean.
        case: Goes into every row.
        judged: Labels that the reference's readers looked for; the others have no score. All where left out.
        geometry: The grid of both; distances are in pixels where it is left out or its spacing is unknown.
        scoring: Tolerances, definitions and rules.
        probabilities: Of the labels, shape (labels, x, y[, z]), where there are any; may be memory-mapped.
        note: Handed on.

    Returns:
        A row for each label; distances in the columns of their unit.

    Raises:
        GridMismatchError: The masks, or the probabilities, are of different shapes.
        LabelError: A mask holds a value that is not declared.
    """
    scoring = scoring or Scoring()
    predicted, true = prediction, reference
    if labels.exclusive:
        predicted = labels.to_indices(prediction, f"{case} (prediction)")
        true = labels.to_indices(reference, f"{case} (reference)")
    geometry = geometry or Geometry.from_spacing(prediction.shape[0 if labels.exclusive else 1 :], None)
    if probabilities is not None and probabilities.shape != (len(labels.names), *geometry.shape):
        raise GridMismatchError(
            f"{case} (probabilities)",
            f"shape {probabilities.shape} for {len(labels.names)} labels on a grid of {geometry.shape}",
            "Take them from the same run as the mask, or move them away.",
        )
    found = CaseScores([], note=note)
    boxes = label_boxes(predicted, true, labels) if predicted.shape == true.shape else []
    for place, overlap in enumerate(overlaps(predicted, true, labels, case or "prediction")):
        looked_for = judged is None or overlap.label in judged
        masks = label_masks(predicted, true, labels, place, boxes[place]) if looked_for else None
        shares = None if probabilities is None else probabilities[place]
        apart, match = SurfaceDistances(), None
        if masks is not None:
            tolerance = scoring.tolerance_of(overlap.label)
            apart = surface_distances(*masks, geometry, tolerance, scoring.definition)
            instances = lesions_of(masks[0])
            match = match_lesions(instances, lesions_of(masks[1]), geometry, scoring)
            box = boxes[place]
            sure = confidences_of(instances, None if shares is None or box is None else shares[box], scoring)
            found.lesions.extend(lesion_rows(case, overlap.label, match, sure, geometry))
        found.rows.append(_row(case, overlap, apart, match, geometry, scoring, looked_for))
        if shares is not None and looked_for:
            truth, known = _truth(true, labels, place)
            counted = reliability_of(shares, truth, known, scoring.bins)
            found.reliability.update({(overlap.label, scope): one for scope, one in counted.items()})
    return found


def _truth(true: np.ndarray, labels: Labels, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the reference has a label, and where somebody judged."""
    own, index = (true, place + 1) if labels.exclusive else (true[place], 1)
    return own == index, own != IGNORE_INDEX


def _row(
    case: str,
    overlap: Overlap,
    apart: SurfaceDistances,
    match: LesionMatch | None,
    geometry: Geometry,
    scoring: Scoring,
    looked_for: bool,
) -> dict[str, Any]:
    unit = "mm" if geometry.spacing_known else "px"
    scores: dict[str, float] = {name: getattr(overlap, name) for name in OVERLAPS if name != "f_beta"}
    scores["f_beta"] = overlap.f_beta(scoring.beta)
    distances = (apart.hd95, apart.assd, apart.nsd, apart.hd, apart.masd)
    scores |= dict(zip(DISTANCES[unit], distances, strict=True))
    voxels = {
        "predicted": overlap.true_positive + overlap.false_positive,
        "reference": overlap.true_positive + overlap.false_negative,
    }
    row: dict[str, Any] = dict.fromkeys(SCORE_COLUMNS, math.nan) | _lesions(match, scores)
    row |= {metric: scores.get(metric, math.nan) if looked_for else math.nan for metric in METRICS}
    row |= {"case": case, "label": overlap.label, "judged": looked_for, "unit": unit}
    row |= {"definition": scoring.definition, "tolerance": scoring.tolerance_of(overlap.label)}
    row |= {f"{side}_voxels": count for side, count in voxels.items()}
    if geometry.spacing_known:
        name, scale = ("volume_ml", 1000) if geometry.ndim == 3 else ("area_mm2", 1)
        row |= {f"{side}_{name}": count * geometry.voxel_size / scale for side, count in voxels.items()}
    return row


def _lesions(match: LesionMatch | None, scores: dict[str, float]) -> dict[str, int]:
    """Counts of lesions; their scores are put to the others."""
    if match is None:
        scores["false_lesions"] = 0
        return dict.fromkeys(("predicted_lesions", "reference_lesions", "found_lesions", "duplicate_lesions"), 0)
    scores |= {f"lesion_{name}": getattr(match, name) for name in ("sensitivity", "precision", "f1")}
    scores |= {"false_lesions": match.wrong, "sq": match.sq, "rq": match.rq, "pq": match.pq}
    return {
        "predicted_lesions": len(match.predicted_voxels),
        "reference_lesions": len(match.reference_voxels),
        "found_lesions": match.found,
        "duplicate_lesions": len(match.duplicates),
    }
