"""What is known of the cases of an evaluation beside their scores: whose they are, and what tables say of them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.evaluation.pairs import Pair

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FACT_COLUMNS", "facts_table"]

FACT_COLUMNS = ("case", "patient")
# What a prediction run notes of its own work says nothing of the case.
_OF_THE_RUN = ("status", "regions", "warnings", "error", "images", "classical_found")


def facts_table(pairs: Iterable[Pair], recorded: Mapping[str, Mapping[str, str]] | None = None) -> "pd.DataFrame":
    """A row a case, in the order of the pairs, whether it could be scored or not.

    A data set's word counts before that of the predictions' `cases.csv`; `patient` is the case where neither says
    whose it is.

    Args:
        pairs: As `find_pairs` gives them.
        recorded: Rows of the predictions' `cases.csv` by case, as `recorded_cases` reads them.

    Returns:
        Columns `case`, `patient`, and one for whatever else is known of any case; all text, empty where unknown.
    """
    import pandas as pd

    rows = []
    for case, _prediction, reference in pairs:
        said = dict((recorded or {}).get(case, {}))
        patient = said.get("patient", "")
        more = {name: value for name, value in said.items() if name not in _OF_THE_RUN}
        if isinstance(reference, Case):
            more |= {name: value for name, value in reference.columns.items() if value or not more.get(name)}
            # A case of which nobody said whose it is carries its own name.
            patient = reference.patient if reference.patient not in ("", case) else patient
        more = {name: value for name, value in more.items() if name not in FACT_COLUMNS}
        rows.append({"case": case, "patient": patient or case} | more)
    columns = dict.fromkeys([*FACT_COLUMNS, *(name for row in rows for name in row)])
    return pd.DataFrame(rows, columns=list(columns)).fillna("").astype("str")
