"""Scores of predicted masks against references, on the native grid."""

from medseg.evaluation.agreement import bland_altman, concordance, intraclass_correlation
from medseg.evaluation.columns import (
    DISTANCES,
    LESION_COLUMNS,
    LESION_SCORES,
    METRICS,
    OVERLAPS,
    SCORE_COLUMNS,
    SUMMARY_COLUMNS,
)
from medseg.evaluation.detection import Detection, detections
from medseg.evaluation.distances import SurfaceDistances, label_distances, surface_distances
from medseg.evaluation.evaluate import evaluate_pairs
from medseg.evaluation.evaluation import Evaluation
from medseg.evaluation.lesions import LesionMatch, lesions_of, match_lesions
from medseg.evaluation.one_case import CaseScores, score_case, scores_of_case
from medseg.evaluation.pairs import find_pairs
from medseg.evaluation.readers import READER_COLUMNS, reader_agreement, summarise_readers
from medseg.evaluation.scores import Overlap, overlaps
from medseg.evaluation.scoring import Scoring
from medseg.evaluation.summary import scores_table, summarise
from medseg.evaluation.worst import WORST_COLUMNS, worst_table

__all__ = [
    "DISTANCES",
    "LESION_COLUMNS",
    "LESION_SCORES",
    "METRICS",
    "OVERLAPS",
    "READER_COLUMNS",
    "SCORE_COLUMNS",
    "SUMMARY_COLUMNS",
    "WORST_COLUMNS",
    "CaseScores",
    "Detection",
    "Evaluation",
    "LesionMatch",
    "Overlap",
    "Scoring",
    "SurfaceDistances",
    "bland_altman",
    "concordance",
    "detections",
    "evaluate_pairs",
    "find_pairs",
    "intraclass_correlation",
    "label_distances",
    "lesions_of",
    "match_lesions",
    "overlaps",
    "reader_agreement",
    "score_case",
    "scores_of_case",
    "scores_table",
    "summarise",
    "summarise_readers",
    "surface_distances",
    "worst_table",
]
