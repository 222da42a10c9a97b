"""Data sets on disk: their layouts, splits by patient, inputs to predict, and what is in them."""

from medseg.datasets.case_table import CaseTable
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.inputs import cases_from_inputs
from medseg.datasets.inspection import Inspection, inspect_dataset
from medseg.datasets.opening import LAYOUTS, Layout, open_dataset, survey_dataset
from medseg.datasets.splits import Split, split_by_patient

__all__ = [
    "LAYOUTS",
    "CaseTable",
    "Dataset",
    "Inspection",
    "Layout",
    "Split",
    "cases_from_inputs",
    "inspect_dataset",
    "noted",
    "open_dataset",
    "split_by_patient",
    "survey_dataset",
]
