"""Statistics of scores: intervals by patient, paired tests, adjusted p-values, subgroups. Functions of arrays."""

from medseg.evaluation.statistics.holm import holm
from medseg.evaluation.statistics.intervals import FEWEST_PATIENTS, Interval, mean_interval, mean_intervals
from medseg.evaluation.statistics.paired import Paired, paired_test, sign_flip_p
from medseg.evaluation.statistics.subgroups import SUBGROUP_COLUMNS, subgroup_table

__all__ = [
    "FEWEST_PATIENTS",
    "SUBGROUP_COLUMNS",
    "Interval",
    "Paired",
    "holm",
    "mean_interval",
    "mean_intervals",
    "paired_test",
    "sign_flip_p",
    "subgroup_table",
]
