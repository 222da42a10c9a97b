"""What a batch leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["Predictions"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a batch leaves.

    Args:
        folder: `<case>/mask.nii.gz|png` (of labels that overlap `mask_LABEL.nii.gz|png`), `<case>/preview.png`,
            `regions.csv`, `totals.csv`, `patients.csv`, `cases.csv`, `timings.csv`, and `ledger.sqlite`, of which the
            tables are exports.
        cases: A row a case: status "done", "failed" or "skipped" (left out by `series`), warnings, error; then what its
            data set and its header say of it (scanner, kvp, patient_age_y, view ...).
        regions: A row a region; `medseg.regions.schema` says what the columns mean.
        totals: A row a case and label; `medseg.regions.case_columns` says what the columns mean.
        patients: A row a patient, study date and label; `medseg.regions.patient_columns` says what the columns mean.
        settings: How the model was run, as in `run.json`.
    """

    folder: Path
    cases: pd.DataFrame
    regions: pd.DataFrame
    totals: pd.DataFrame
    patients: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> pd.DataFrame:
        """The cases that have no mask though they should, with their reasons."""
        return self.cases[self.cases["status"] == "failed"]

    @property
    def skipped(self) -> pd.DataFrame:
        """The cases that a rule of the user's left out, with its reason."""
        return self.cases[self.cases["status"] == "skipped"]

    def _repr_html_(self) -> str:
        return f"<p>{self.folder}</p>{self.cases.to_html(index=False)}{self.regions.head(20).to_html(index=False)}"
