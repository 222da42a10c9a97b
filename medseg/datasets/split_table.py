"""What is in each part of a split, as a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.datasets.case_table import SPLITS
from medseg.datasets.splits import Split
from medseg.datasets.strata import strata_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["split_table"]


def split_table(
    splits: Sequence[Split], cases: Iterable[Case], stratify: str | Sequence[str] | None = None
) -> "pd.DataFrame":
    """A row a part of each split: patients, cases, patients of each stratum, and cases with each named structure.

    Args:
        splits: One split, or folds.
        cases: The data set's; nothing of them is read.
        stratify: The columns by which the splits were drawn.

    Returns:
        Columns `fold` (of several), `part`, `patients`, `cases`, `negative` (cases with nothing to find, where there
        are any), then one a stratum and one a structure.
    """
    import pandas as pd

    listed = list(cases)
    strata = strata_of(listed, stratify)
    rows = []
    for number, split in enumerate(splits):
        for part in SPLITS:
            own = split.part(part, listed)
            patients = {case.patient for case in own}
            row: dict[str, object] = {"fold": number} if len(splits) > 1 else {}
            row |= {"part": part, "patients": len(patients), "cases": len(own)}
            if any(case.negative for case in listed):
                row["negative"] = sum(case.negative for case in own)
            if stratify:
                found = Counter(strata[patient] for patient in patients)
                row |= {f"patients: {name or '(empty)'}": found[name] for name in sorted(set(strata.values()))}
            held = Counter(name for case in own for name in set(case.structures))
            row |= {f"cases: {name}": held[name] for name in sorted({n for case in listed for n in case.structures})}
            rows.append(row)
    return pd.DataFrame(rows)
