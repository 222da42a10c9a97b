"""Predict many cases: one folder a case, one row a region, a bad study never stops the rest, and nothing is lost."""

from medseg.batch.exporting import export
from medseg.batch.predictions import Predictions
from medseg.batch.running import facts_of, predict_cases

__all__ = ["Predictions", "export", "facts_of", "predict_cases"]
