"""The doctor of data sets: reads every case once, and says what is in them and what is wrong with them."""

from medseg.datasets.inspection.facts import PERCENTILES, CaseFacts, Intensities
from medseg.datasets.inspection.findings import KINDS, Finding, Severity
from medseg.datasets.inspection.inspecting import inspect_dataset
from medseg.datasets.inspection.inspection import Inspection
from medseg.datasets.inspection.mending import Mend, Mended, mend_dataset

__all__ = [
    "KINDS",
    "PERCENTILES",
    "CaseFacts",
    "Finding",
    "Inspection",
    "Intensities",
    "Mend",
    "Mended",
    "Severity",
    "inspect_dataset",
    "mend_dataset",
]
