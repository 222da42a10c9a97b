"""A data set, the facts of its cases and the findings, as a table and as a summary."""

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medseg.datasets.dataset import Dataset
from medseg.datasets.inspection.facts import CaseFacts
from medseg.datasets.inspection.findings import Finding
from medseg.datasets.inspection.summary import case_row, label_names, summarised

if TYPE_CHECKING:
    import pandas

__all__ = ["Inspection"]


@dataclass(frozen=True)
class Inspection:
    """What the doctor saw: the facts of every case, and all findings, those of single cases among them."""

    dataset: Dataset
    facts: tuple[CaseFacts, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that spoil training or scores."""
        return tuple(one for one in self.findings if one.severity == "problem")

    @property
    def sound(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def table(self) -> "pandas.DataFrame":
        """One row a case: id, patient, grid, voxels of each label, intensities, acquisition, notes and problems."""
        import pandas as pd

        texts: dict[str, list[str]] = {}
        for one in self.problems:
            for name in one.cases:
                texts.setdefault(name, []).append(one.text)
        names = label_names(self.dataset, self.facts)
        return pd.DataFrame([case_row(one, names, texts.get(one.case.id, ())) for one in self.facts])

    @property
    def summary(self) -> dict[str, Any]:
        """Everything in figures that JSON can hold; ranges are [min, median, max] over the readable cases."""
        return summarised(self.dataset, self.facts, self.findings)

    def __repr__(self) -> str:
        return f"Inspection({len(self.facts)} cases, {len(self.problems)} problems)"

    def _repr_html_(self) -> str:
        problems = "".join(
            f"<li>{html.escape(', '.join(one.cases[:5]))}: {html.escape(one.text)}</li>" for one in self.problems
        )
        listed = (
            f"<p>{len(self.problems)} problem(s)</p><ul>{problems}</ul>" if problems else "<p>No problem found.</p>"
        )
        return self.dataset._repr_html_() + listed + self.table.to_html(index=False, max_rows=20)
