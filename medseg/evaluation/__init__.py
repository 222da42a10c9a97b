"""Scores of predicted masks against references, on the native grid."""

from medseg.evaluation.distances import SurfaceDistances, label_distances, surface_distances
from medseg.evaluation.evaluate import Evaluation, evaluate_pairs
from medseg.evaluation.pairs import find_pairs
from medseg.evaluation.readers import READER_COLUMNS, reader_agreement, summarise_readers
from medseg.evaluation.scores import Overlap, overlaps
from medseg.evaluation.summary import (
    DISTANCES,
    METRICS,
    OVERLAPS,
    SCORE_COLUMNS,
    SUMMARY_COLUMNS,
    score_case,
    scores_table,
    summarise,
)

__all__ = [
    "DISTANCES",
    "METRICS",
    "OVERLAPS",
    "READER_COLUMNS",
    "SCORE_COLUMNS",
    "SUMMARY_COLUMNS",
    "Evaluation",
    "Overlap",
    "SurfaceDistances",
    "evaluate_pairs",
    "find_pairs",
    "label_distances",
    "overlaps",
    "reader_agreement",
    "score_case",
    "scores_table",
    "summarise",
    "summarise_readers",
    "surface_distances",
]
