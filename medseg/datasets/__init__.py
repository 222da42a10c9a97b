"""Data sets on disk: their layouts, splits by patient, inputs to predict, and what is in them."""

from medseg.datasets.case_table import CaseTable
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.inputs import cases_below, cases_from_inputs
from medseg.datasets.inspection import Inspection, inspect_dataset
from medseg.datasets.opening import LAYOUTS, Layout, open_dataset, survey_dataset
from medseg.datasets.series_rule_text import parse_series_rule
from medseg.datasets.series_rules import SeriesRule
from medseg.datasets.split_files import read_folds, read_split, save_folds
from medseg.datasets.split_table import split_table
from medseg.datasets.splits import Split, k_folds, leaks, require_no_leak, split_by_patient

__all__ = [
    "LAYOUTS",
    "CaseTable",
    "Dataset",
    "Inspection",
    "Layout",
    "SeriesRule",
    "Split",
    "cases_below",
    "cases_from_inputs",
    "inspect_dataset",
    "k_folds",
    "leaks",
    "noted",
    "open_dataset",
    "parse_series_rule",
    "read_folds",
    "read_split",
    "require_no_leak",
    "save_folds",
    "split_by_patient",
    "split_table",
    "survey_dataset",
]
