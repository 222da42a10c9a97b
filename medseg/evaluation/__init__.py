"""Scores of predicted masks against references, on the native grid."""

from medseg.evaluation.evaluate import Evaluation, evaluate_pairs
from medseg.evaluation.pairs import find_pairs
from medseg.evaluation.readers import READER_COLUMNS, reader_agreement, summarise_readers
from medseg.evaluation.scores import Overlap, overlaps
from medseg.evaluation.summary import METRICS, SCORE_COLUMNS, SUMMARY_COLUMNS, score_case, scores_table, summarise

__all__ = [
    "METRICS",
    "READER_COLUMNS",
    "SCORE_COLUMNS",
    "SUMMARY_COLUMNS",
    "Evaluation",
    "Overlap",
    "evaluate_pairs",
    "find_pairs",
    "overlaps",
    "reader_agreement",
    "score_case",
    "scores_table",
    "summarise",
    "summarise_readers",
]
