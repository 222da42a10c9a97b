"""Statistics of scores: intervals by patient, paired tests, adjusted p-values, subgroups. Functions of arrays."""

from medseg.evaluation.statistics.holm import holm
from medseg.evaluation.statistics.intervals import FEWEST_PATIENTS, Interval, mean_interval
from medseg.evaluation.statistics.paired import Paired, paired_test, sign_flip_p

__all__ = ["FEWEST_PATIENTS", "Interval", "Paired", "holm", "mean_interval", "paired_test", "sign_flip_p"]
